// This machine, compared with what other tools say about it.
#include "calls.hpp"

namespace sigrun::security {
namespace {

using machines::output_of;
using machines::status_of;
using machines::value_of;

machines::fact_map facts() {
    return machines::facts_below("", [](auto& root, auto& run) { collect(root, live_calls(), run); });
}
std::set<std::string> set_of(const machines::fact_map& all, const std::string& key) {
    std::set<std::string> out;
    if (const auto value = value_of(all, key); value.is_array())
        for (const auto& item : value.as_array()) out.emplace(item.as_string());
    return out;
}

TEST(mission_D17, capabilities_are_those_that_capsh_decodes) {
    const auto all = facts();
    const auto status = machines::slurp("/proc/self/status");
    const auto mask = sdk::field(status, "CapEff");
    ASSERT_TRUE(mask);
    // 0x000001ff=cap_chown,cap_kill
    const auto decoded = output_of("PATH=$PATH:/usr/sbin:/sbin capsh --decode=" + std::string(*mask));
    std::set<std::string> expected;
    std::string_view rest = sdk::trimmed(std::string_view(decoded).substr(decoded.find('=') + 1));
    while (!rest.empty()) {
        const auto comma = std::min(rest.find(','), rest.size());
        // A number where capsh is older than the kernel.
        const auto name = rest.substr(0, comma);
        expected.insert(name.starts_with("cap_") ? std::string(name) : "cap_" + std::string(name));
        rest.remove_prefix(std::min(comma + 1, rest.size()));
    }
    EXPECT_EQ(set_of(all, "sec.caps"), expected);
    EXPECT_EQ(value_of(all, "sec.uid_root"), machines::json::value(::geteuid() == 0));
}

TEST(mission_D17, weaknesses_are_those_that_lscpu_lists) {
    const auto all = facts();
    std::set<std::string> vulnerable, mitigated;
    const auto document = machines::json::parse(output_of("LC_ALL=C lscpu -J"));
    // Older versions list flat, newer ones nest.
    const std::function<void(const machines::json::array&)> walk = [&](const machines::json::array& list) {
        for (const auto& item : list) {
            const auto& o = item.as_object();
            const std::string field(o.at("field").as_string());
            if (o.contains("children")) walk(o.at("children").as_array());
            const bool nested = !field.starts_with("Vulnerability ");
            std::string name = nested ? field : field.substr(14);
            if (name.ends_with(':')) name.pop_back();
            for (char& c : name) c = c == ' ' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
            if (!std::filesystem::exists("/sys/devices/system/cpu/vulnerabilities/" + name)) continue;
            const std::string text(o.at("data").as_string());
            if (text.find("Vulnerable") != text.npos || text.starts_with("Processor vulnerable"))
                vulnerable.insert(name);
            if (text.starts_with("Mitigation")) mitigated.insert(name);
        }
    };
    walk(document.at("lscpu").as_array());
    EXPECT_EQ(set_of(all, "sec.vulnerable"), vulnerable);
    std::set<std::string> names;
    for (const auto& item : set_of(all, "sec.mitigations")) names.insert(item.substr(0, item.find('=')));
    EXPECT_EQ(names, mitigated);
}

TEST(mission_D17, seccomp_and_modules_are_what_the_kernel_shows) {
    const auto all = facts();
    int status = 0;
    std::string expected = output_of("tr ' ' '\\n' < /proc/sys/kernel/seccomp/actions_avail 2>/dev/null", &status);
    EXPECT_EQ(status_of(all, "sec.seccomp_actions") == "ok", status == 0);
    for (const auto& action : set_of(all, "sec.seccomp_actions"))
        EXPECT_NE(("\n" + expected).find("\n" + action + "\n"), std::string::npos) << action;
    expected = output_of("cat /sys/kernel/security/lsm 2>/dev/null", &status);
    EXPECT_EQ(status_of(all, "sec.lsm") == "ok", status == 0);
    for (const auto& module : set_of(all, "sec.lsm")) EXPECT_NE(expected.find(module), std::string::npos) << module;
    EXPECT_EQ(value_of(all, "sec.no_new_privs"),
              machines::json::value(output_of("grep NoNewPrivs /proc/self/status").find('1') != std::string::npos));
    EXPECT_TRUE(status_of(all, "sec.landlock_abi") == "ok" || status_of(all, "sec.landlock_abi") == "absent" ||
                status_of(all, "sec.landlock_abi") == "denied");
    output_of("test -e /sys/class/tpm/tpm0", &status);
    EXPECT_EQ(status_of(all, "sec.tpm") == "absent", status != 0);
}

}  // namespace
}  // namespace sigrun::security
