// sigrun plugin check: hands over to sigrun-plugin-check, which is installed beside this program.
#include "kernel/app/sigrun/plugin_check_command.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

namespace sigrun::cli {
namespace {

constexpr const char* k_tool = "sigrun-plugin-check";

int hand_over(const std::vector<std::string>& words) {
    std::error_code ec;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", ec);
    const std::string tool = (self.parent_path() / k_tool).string();
    std::vector<char*> arguments{const_cast<char*>(tool.c_str())};
    for (const auto& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
    arguments.push_back(nullptr);
    ::execv(tool.c_str(), arguments.data());
    throw failure(make_problem(errc::unavailable, "cannot run " + tool + ": " + std::strerror(errno)),
                  "it belongs to Sigrun's SDK: cmake --install BUILD --component sdk");
}

}  // namespace

void add_plugin_check_command(CLI::App& plugin_group, context& ctx) {
    auto* check = plugin_group.add_subcommand("check", "Does a plugin file keep the SDK's rules?");
    // Everything behind it, also what looks like one of our own options, is the tool's.
    check->prefix_command();
    check->footer(
        "Examples:\n  sigrun plugin check mine.so\n  sigrun plugin check mine.so --group threads --json\n"
        "  sigrun plugin check --list   the rules; more: sigrun-plugin-check --help");
    check->callback([check, &ctx] {
        const auto words = check->remaining();
        ctx.action = [words] { return hand_over(words); };
    });
}

}  // namespace sigrun::cli
