// Adds the command GREET to the line protocol, through the interface "example.line.commands/1" that the protocol offers and
// the host's broker finds. Either plugin can be replaced while both work.
#include <sigrun/cpp/broker.hpp>
#include <sigrun/cpp/plugin.hpp>

#include <example/line_commands.h>

#include <memory>
#include <optional>

namespace {

using namespace sigrun::sdk;

// A command that is registered at one provider. The lease is the last thing that goes.
class registration {
public:
    registration(lease<line_commands> at, line_handler handler, void* ctx) : at_(std::move(at)) {
        if (auto r = at_.table()->add(at_.instance(), str("GREET"), handler, ctx, &token_); r < 0)
            throw failure(r, "the line protocol refused the command GREET");
    }
    registration(const registration&) = delete;
    registration& operator=(const registration&) = delete;
    ~registration() { at_.table()->remove(at_.instance(), token_); }
    bool is_at(const lease<line_commands>& other) const noexcept {
        return at_.instance() == other.instance() && at_.generation() == other.generation();
    }

private:
    lease<line_commands> at_;
    std::uint64_t token_ = 0;
};

class greeting {
public:
    greeting(host h, const config_reader& config)
        : host_(h), provider_(config.text("line")), word_(config.text("word")) {}

    const void* interface(std::string_view id) noexcept {
        static constexpr sigrun_extension table = {sizeof(sigrun_extension), 0};
        return id == SIGRUN_KIND_EXTENSION ? &table : nullptr;
    }

    void start() {
        line_ = std::make_unique<followed<line_commands>>(host_, provider_, LINE_COMMANDS, [this] { changed(); });
    }

    // [ctl] First no notice comes any more, then the command goes.
    ~greeting() { line_.reset(); }

private:
    // [ctl] The provider came, is another one, or went.
    void changed() noexcept {
        guarded(nullptr, [this] {
            auto now = line_->acquire();
            if (now && here_ && here_->is_at(now)) return;
            // At the new one first: no client finds the command missing.
            auto next = now ? std::make_unique<registration>(std::move(now), &answer, this) : nullptr;
            here_ = std::move(next);
            host_.log(SIGRUN_LOG_INFO, here_ ? "GREET is there" : "GREET waits for the line protocol");
        });
    }

    static sigrun_result answer(void* ctx, sigrun_str arguments, const line_reply* reply) noexcept {
        return guarded(nullptr, [&] {
            const auto text = concat(static_cast<greeting*>(ctx)->word_, " ", view(arguments));
            reply->line(reply->ctx, str(text));
        });
    }

    host host_;
    const std::string provider_, word_;
    std::unique_ptr<registration> here_;  // on the control thread
    std::unique_ptr<followed<line_commands>> line_;
};

constexpr sigrun_opt k_options[] = {
    option("line", SIGRUN_OPT_STRING, {.def = "line", .doc = "Instance of the line protocol that gets the command."}),
    option("word", SIGRUN_OPT_STRING, {.def = "hello", .doc = "What it says before the name."}),
};

}  // namespace

SIGRUN_PLUGIN("example.line-greeting", "1.0.0", "Adds GREET to the line protocol", 0,
              sigrun::sdk::component<greeting>("line_greeting", SIGRUN_KIND_EXTENSION,
                                               "Adds GREET to the line protocol", k_options))
