// What firmware vouches for: secure boot and the TPM.
#include "security_probe.hpp"

namespace sigrun::security {
namespace {

using sdk::read_status;

void secure_boot(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const auto variable = root.read("/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c", 64);
    if (variable) {
        // Four bytes of attributes, then 0 or 1.
        std::optional<bool> on;
        if (variable.text.size() == 5 && static_cast<unsigned char>(variable.text[4]) <= 1) on = variable.text[4] == 1;
        if (!on)
            return facts.none("sec.secure_boot", "error",
                              {.source = variable.path, .detail = "not a variable of 5 bytes"});
        return facts.ok("sec.secure_boot", *on, {.source = variable.path});
    }
    // Containers hide /sys/firmware as a whole, so only a folder with something else in it proves a start without EFI.
    const bool efi = root.probe("/sys/firmware/efi") == read_status::ok;
    if (!efi && !root.list("/sys/firmware").empty())
        return facts.ok("sec.secure_boot", false,
                        {.source = "/sys/firmware", .method = "derived", .detail = "not started by EFI"});
    if (variable.status != read_status::absent) return facts.missing("sec.secure_boot", variable, {}, "");
    facts.none("sec.secure_boot", efi ? "unsupported" : "absent",
               {.source = variable.path, .detail = efi ? "no such variable is visible" : "firmware is not visible"});
}

void tpm(const sdk::sysroot& root, sdk::fact_writer& facts) {
    const std::string folder = "/sys/class/tpm";
    const auto devices = root.list(folder);
    const auto first = std::find_if(devices.begin(), devices.end(), [](const auto& n) { return n.starts_with("tpm"); });
    if (first == devices.end())
        return facts.none("sec.tpm", "absent", {.source = folder, .detail = "no TPM with a driver"});
    const auto major = root.read(folder + "/" + *first + "/tpm_version_major", 64);
    const auto number = sdk::parse_u64(major.text);
    if (number == 1) return facts.ok("sec.tpm", "1.2", {.source = major.path});
    if (number == 2) return facts.ok("sec.tpm", "2.0", {.source = major.path});
    // Kernels before 5.6 have no such file; only a TPM 1.2 has this one.
    const auto caps = root.read(folder + "/" + *first + "/device/caps", 4096);
    if (major.status == read_status::absent && caps && sdk::field(caps.text, "TCG version") == "1.2")
        return facts.ok("sec.tpm", "1.2", {.source = caps.path});
    facts.parsed<std::string>("sec.tpm", std::nullopt, major, {});
}

}  // namespace

void read_firmware(const sdk::sysroot& root, sdk::fact_writer& facts) {
    secure_boot(root, facts);
    tpm(root, facts);
}

}  // namespace sigrun::security
