#include "rig.hpp"

#include <algorithm>
#include <chrono>

namespace sigrun::check {

using sdk::concat;

std::uint64_t now_ns() noexcept {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
}

std::string result_name(sigrun_result r) {
    static const std::map<sigrun_result, const char*> names = {
        {0, "OK"},         {1, "PENDING"},  {2, "NEED_MORE"},  {3, "NOT_MINE"}, {-1, "INVALID"},  {-2, "UNSUPPORTED"},
        {-3, "BUSY"},      {-4, "TIMEOUT"}, {-5, "CANCELLED"}, {-6, "NOMEM"},   {-7, "CONFIG"},   {-8, "IO"},
        {-9, "NOT_FOUND"}, {-10, "DENIED"}, {-11, "FENCED"},   {-12, "EXISTS"}, {-99, "INTERNAL"}};
    auto found = names.find(r);
    return concat(found == names.end() ? "result" : found->second, " (", r, ")");
}

std::string answer::say() const { return text.empty() ? result_name(code) : concat(result_name(code), ": ", text); }

rig::rig(session& s, faults withheld)
    : s_(s),
      host_(std::make_unique<check_host>(s.report, std::move(withheld))),
      descriptors_before_(open_descriptors()),
      threads_before_(threads_of_this_process().size()) {
    host_->set_patience(static_cast<int>(s.args.patience.count()));
    s_.report.step("dlopen");
    code_ = std::make_unique<library>(s.file.bytes, s.scratch);
    if (!*code_) {
        s_.report.fail(s_.report.current_rule(), "a file that the dynamic loader takes", code_->error());
        return;
    }
    const sigrun_entry* found = nullptr;
    host_->here(tag::any, "entry", [&] { found = code_->entry(); });
    if (!found) {
        s_.report.fail(s_.report.current_rule(), "a descriptor", "NULL");
        return;
    }
    auto about = read_descriptor(*found, s.file.note);
    if (!about) {
        s_.report.fail(s_.report.current_rule(), about.error().expected,
                       concat(about.error().field, " ", about.error().found));
        return;
    }
    about_ = *about;
    entry_ = found;
}

rig::~rig() {
    finish();
    // A thread that is still in there would die with the mapping, and hide what is wrong with it.
    if (threads_of_this_process().size() > threads_before_ || !host_->live_threads().empty()) {
        if (!eventually(
                [&] { return threads_of_this_process().size() <= threads_before_ && host_->live_threads().empty(); },
                500)) {
            [[maybe_unused]] auto* kept_code = code_.release();
            [[maybe_unused]] auto* kept_host = host_.release();
        }
    }
    code_.reset();
}

answer rig::load() {
    answer a;
    loaded_ = true;
    if (!entry_->load) return a;
    sdk::error_text error;
    host_->ctl("load", [&] { a.code = entry_->load(host_->abi(), &error.abi); });
    a.text = error.text();
    if (!a.ok()) loaded_ = false;
    return a;
}

std::shared_ptr<const bound_section> rig::bind(const component_record& component, const option_values& values,
                                               std::string* why) const {
    config_section section{"instance " + component.id, "the test", {}};
    for (const auto& option : component.options) {
        if (!(option.flags & SIGRUN_OPT_REQUIRED) || option.def.len) continue;
        std::string text = "value";
        switch (option.type) {
            case SIGRUN_OPT_BOOL: text = "yes"; break;
            case SIGRUN_OPT_INT:
            case SIGRUN_OPT_FLOAT:
            case SIGRUN_OPT_SIZE: text = concat(static_cast<std::int64_t>(option.min > 0 ? option.min : 1)); break;
            case SIGRUN_OPT_DURATION:
                text = option.min > 1e9 ? concat(static_cast<std::int64_t>(option.min), "ns") : "1s";
                break;
            case SIGRUN_OPT_CHOICE:
                text = sdk::view(option.choices).substr(0, sdk::view(option.choices).find(','));
                break;
            case SIGRUN_OPT_URI: text = "http://127.0.0.1:1/"; break;
            case SIGRUN_OPT_PATH: text = s_.scratch + "/file"; break;
            default: break;
        }
        section.values[std::string(sdk::view(option.key))] = {text, "the test"};
    }
    for (const auto* given : s_.file.config.of_kind("instance")) {
        auto of = given->values.find("component");
        const std::string name = given->name.substr(given->name.find(' ') + 1);
        const std::string target =
            of == given->values.end() ? name : of->second.value.substr(of->second.value.find(':') + 1);
        if (target != component.id) continue;
        for (const auto& [key, value] : given->values)
            if (key != "component") section.values[key] = value;
        break;
    }
    for (const auto& [key, value] : values) section.values[key] = {value, "the test"};
    auto bound = bound_section::bind(&section, component.options, {}, 1, s_.scratch);
    if (bound) return *bound;
    if (why) *why = bound.error().text();
    return nullptr;
}

answer rig::create(const component_record& component, const sigrun_config& config, sigrun_instance** out) {
    answer a;
    sdk::error_text error;
    *out = nullptr;
    host_->ctl("create",
               [&] { a.code = entry_->create(host_->abi(), sdk::str(component.id), &config, out, &error.abi); });
    a.text = error.text();
    if (!a.ok()) {
        *out = nullptr;
        return a;
    }
    if (!*out) return {SIGRUN_E_INTERNAL, "create returned OK and no instance"};
    constexpr std::size_t needed = offsetof(sigrun_instance, destroy) + sizeof((*out)->destroy);
    if ((*out)->struct_size < needed || !(*out)->get_interface || !(*out)->destroy) {
        *out = nullptr;
        return {SIGRUN_E_INTERNAL, "an instance without get_interface and destroy"};
    }
    instances_.push_back(*out);
    return a;
}

answer rig::create(const component_record& component, sigrun_instance** out, const option_values& values) {
    std::string why;
    auto config = bind(component, values, &why);
    *out = nullptr;
    if (!config) return {SIGRUN_E_CONFIG, why};
    return create(component, *config->abi(), out);
}

answer rig::start(sigrun_instance* instance) {
    answer a;
    if (!instance->start) return a;
    sdk::error_text error;
    host_->ctl("start", [&] { a.code = instance->start(instance, &error.abi); });
    a.text = error.text();
    return a;
}

sigrun_op rig::drain(sigrun_instance* instance, std::uint64_t deadline_ns) {
    if (!instance->drain) return 0;
    const auto op = host_->mint("drain");
    sigrun_result r = SIGRUN_OK;
    host_->ctl("drain", [&] { r = instance->drain(instance, deadline_ns, op); });
    if (r >= 0) return op;
    host_->forget(op);
    return 0;
}

void rig::destroy(sigrun_instance* instance) {
    std::erase(instances_, instance);
    host_->set_reentry(nullptr);
    host_->ctl("destroy", [&] { instance->destroy(instance); });
}

void rig::unload() {
    if (loaded_ && entry_ && entry_->unload) host_->ctl("unload", [&] { entry_->unload(host_->abi()); });
    loaded_ = false;
}

const void* rig::interface(sigrun_instance* instance, std::string_view id) {
    const void* table = nullptr;
    host_->here(tag::any, "get_interface", [&] { table = instance->get_interface(instance, sdk::str(id)); });
    return table;
}

sigrun_instance* rig::running(const component_record& component, const option_values& values) {
    auto complain = [&](std::string_view slot, const answer& a) -> sigrun_instance* {
        s_.report.fail(s_.report.current_rule(), concat(slot, " of ", component.id, " works"), a.say());
        return nullptr;
    };
    if (!loaded_)
        if (auto a = load(); !a.ok()) return complain("load", a);
    sigrun_instance* made = nullptr;
    if (auto a = create(component, &made, values); !a.ok()) return complain("create", a);
    if (auto a = start(made); !a.ok()) return complain("start", a);
    return made;
}

const component_record* rig::component_of(std::string_view kind) const {
    for (const auto& c : about_.components)
        if (c.kind == kind) return &c;
    return nullptr;
}

void rig::finish() {
    while (!instances_.empty()) destroy(instances_.back());
    if (entry_) unload();
    // A function of the plugin that told its end, and so let destroy return, still has to return itself.
    host_->settle();
}

bool rig::report_leftovers() {
    auto& report = s_.report;
    bool clean = true;
    auto check = [&](std::string_view rule_id, std::string_view expected, const std::string& found) {
        if (found.empty()) {
            report.pass_unless_told(rule_id);
        } else {
            report.fail(rule_id, std::string(expected), found);
            clean = false;
        }
    };
    std::size_t threads = 0;
    eventually([&] { return (threads = threads_of_this_process().size()) <= threads_before_; });
    std::string left;
    if (threads > threads_before_) left = concat(threads - threads_before_, " more than before its load");
    if (const auto named = host_->live_threads(); !named.empty())
        left += concat(left.empty() ? "" : "; ", "between thread_enter and thread_leave: ", named);
    check("life/threads-left", "no thread after destroy and unload", left);

    left.clear();
    for (const auto& [fd, what] : open_descriptors())
        if (!descriptors_before_.contains(fd)) left += concat(left.empty() ? "" : ", ", fd, " (", what, ")");
    check("life/fds-left", "no descriptor after destroy and unload", left);

    const auto timers = host_->live_timers();
    check("life/timers-left", "no timer or watch after destroy and unload",
          timers ? concat(timers, " still scheduled") : std::string());
    const auto buffers = host_->live_buffers();
    check("life/buffers-left", "no buffer held after destroy and unload",
          buffers ? concat(buffers, " never released") : std::string());
    const auto ops = host_->open_ops();
    check("life/ops-left", "every op completed when destroy returns", ops.empty() ? ops : "open: " + ops);
    const auto children = children_of_this_process();
    check("life/children-left", "no process after destroy and unload",
          children.empty() ? std::string() : concat(children.size(), " still there or not waited for"));
    return clean;
}

}  // namespace sigrun::check
