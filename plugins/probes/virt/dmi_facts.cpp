// What the firmware's identification says about a hypervisor and a cloud. Texts are compared by their beginning, as
// vendors append versions.
#include "virt_probe.hpp"

namespace sigrun::virt {
namespace {

struct mark {
    std::string_view begins, name;
};

std::string text_of(const sdk::sysroot& root, std::string_view name, sdk::file_text* kept = nullptr) {
    auto file = root.read("/sys/class/dmi/id/" + std::string(name), 4096);
    auto text = std::string(file.trim().substr(0, 256));
    if (kept) *kept = std::move(file);
    return text;
}

}  // namespace

firmware::firmware(const sdk::sysroot& root)
    : first(),
      vendor(text_of(root, "sys_vendor", &first)),
      product(text_of(root, "product_name")),
      board(text_of(root, "board_vendor")),
      bios(text_of(root, "bios_vendor")),
      bios_version(text_of(root, "bios_version")),
      asset_tag(text_of(root, "chassis_asset_tag")) {}

std::string firmware::hypervisor() const {
    constexpr mark k_marks[] = {{"KVM", "kvm"},
                                {"OpenStack", "kvm"},
                                {"KubeVirt", "kvm"},
                                {"Amazon EC2", "amazon"},
                                {"QEMU", "qemu"},
                                {"VMware", "vmware"},
                                {"VMW", "vmware"},
                                {"innotek GmbH", "oracle"},
                                {"VirtualBox", "oracle"},
                                {"Xen", "xen"},
                                {"Bochs", "bochs"},
                                {"Parallels", "parallels"},
                                {"BHYVE", "bhyve"},
                                {"Hyper-V", "microsoft"},
                                {"Apple Virtualization", "apple"},
                                {"Google Compute Engine", "google"}};
    // Both sell the same names without a hypervisor below: "c5.metal", "c3-standard-192-metal".
    const bool metal =
        product.ends_with(".metal") || product.ends_with("-metal") || product.find(".metal-") != product.npos;
    for (std::string_view text :
         {std::string_view(product), std::string_view(vendor), std::string_view(board), std::string_view(bios)})
        for (const auto& m : k_marks)
            if (text.starts_with(m.begins) && !(metal && (m.name == "amazon" || m.name == "google")))
                return std::string(m.name);
    // Microsoft builds machines as well.
    if (vendor == "Microsoft Corporation" && product == "Virtual Machine") return "microsoft";
    return {};
}

std::string firmware::cloud() const {
    // Microsoft's constant tells Azure from a Hyper-V host in the next room.
    if (asset_tag == "7783-7084-3265-9085-8269-3286-77") return "azure";
    if (asset_tag == "OracleCloud.com") return "oracle";
    // Amazon's machines on Xen: "4.11.amazon".
    if (bios_version.ends_with(".amazon")) return "aws";
    constexpr mark k_marks[] = {{"Amazon EC2", "aws"},
                                {"Google", "gcp"},
                                {"Alibaba Cloud", "alibaba"},
                                {"Tencent Cloud", "tencent"},
                                {"DigitalOcean", "digitalocean"},
                                {"Hetzner", "hetzner"},
                                {"Vultr", "vultr"},
                                {"Linode", "linode"},
                                {"Akamai", "linode"},
                                {"Scaleway", "scaleway"},
                                {"UpCloud", "upcloud"},
                                {"Exoscale", "exoscale"},
                                {"OVHcloud", "ovh"},
                                {"OpenStack", "openstack"}};
    for (std::string_view text : {std::string_view(vendor), std::string_view(product), std::string_view(bios)})
        for (const auto& m : k_marks)
            if (text.starts_with(m.begins)) return std::string(m.name);
    return {};
}

}  // namespace sigrun::virt
