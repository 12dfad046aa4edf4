// store.backup, store.backup_progress: a copy of the store while it is in use.
#include "kernel/serve/methods.hpp"
#include "kernel/serve/plain_method.hpp"

#include <chrono>

namespace sigrun {
namespace {

constexpr std::size_t k_longest_path = 4095;

result<std::string> new_file(const json::object& o) {
    std::string path(text_or(o, "path"));
    if (path.empty() || path.front() != '/' || path.back() == '/' || path.size() > k_longest_path ||
        path.find('\0') != std::string::npos)
        return bad_value("path", "the absolute path of a new file on the daemon's machine",
                         "\"" + path.substr(0, 80) + "\"");
    return path;
}

}  // namespace

void add_store_methods(router& r, controller& c) {
    r.add(
        "store.backup", plain({"path"}, [&c](const json::object& o, const call_input&, const call_ptr& call) {
            auto path = new_file(o);
            if (!path) return void(call->fail(path.error()));
            const auto began = c.time.now();
            auto done = [&c, call, began, path = *path](const result<buffer_ref>& copied) {
                if (!copied) {
                    auto why = copied.error();
                    why.field = "path";
                    return void(call->fail(why));
                }
                auto answer = parse_object(copied->view());
                json::object all{{"path", path}, {"bytes", answer ? number_or<std::uint64_t>(*answer, "bytes", 0) : 0}};
                all["seconds"] = std::chrono::duration<double>(c.time.now() - began).count();
                call->last(json::serialize(all));
            };
            c.store.copy(*path, std::move(done));
        }));
    r.add("store.backup_progress", plain({}, [&c](const json::object&, const call_input&, const call_ptr& call) {
              const auto [done, total] = c.store.copy_progress();
              const double part = total ? static_cast<double>(done) / static_cast<double>(total) : 0;
              call->last(json::serialize(json::object{{"under_way", total != 0}, {"done", part}}));
          }));
}

}  // namespace sigrun
