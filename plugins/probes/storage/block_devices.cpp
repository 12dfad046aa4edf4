// Whole disks and what stands in for them; partitions are not listed.
#include "block_kind.hpp"
#include "storage_probe.hpp"

namespace sigrun::storage {
namespace {

constexpr std::uint64_t k_sector = 512;  // the unit of `size`, whatever the device's own is

class one_block {
public:
    one_block(const sdk::sysroot& root, const std::string& name)
        : root_(root), name_(name), folder_("/sys/block/" + name) {}

    std::optional<sdk::record> read() {
        const auto sectors = number("/size");
        device_ = root_.link(folder_).text;
        const auto vendor = text("/device/vendor"), model = text("/device/model");
        auto kind = block_kind({name_, device_, vendor.value_or(""), model.value_or("")});
        // Loop devices and the like exist before anybody uses them, and paths of a multipath device are not for use.
        const bool made = kind == "loop" || kind == "ram" || kind == "zram" || kind == "network" || kind == "raid";
        if (!sectors || (*sectors == 0 && made) || number("/hidden") == 1u) return std::nullopt;

        // A disk of a hypervisor, a bridge to USB, or a stack of devices says 1 as often as not.
        const bool believed = kind.empty() || kind == "nvme" || kind == "mmc";
        const std::uint64_t flag = number("/queue/rotational").value_or(2);
        const bool told = believed && flag <= 1;
        if (kind.empty() && told) kind = flag == 1 ? "disk" : "ssd";

        sdk::record out;
        out.add("name", name_);
        if (!kind.empty()) out.add("kind", kind);
        if (model) out.add("model", *model);
        if (const auto how = transport(kind); !how.empty()) out.add("transport", how);
        if (const auto bytes = sdk::times(sectors, k_sector)) out.add("size_bytes", *bytes);
        if (told) out.add("rotational", flag == 1);
        add_number(out, "logical_bytes", "/queue/logical_block_size");
        add_number(out, "physical_bytes", "/queue/physical_block_size");
        // What the device takes at once, where that is told; else what the kernel lines up.
        if (const auto depth = number("/device/queue_depth"))
            out.add("queue_depth", *depth);
        else
            add_number(out, "queue_depth", "/queue/nr_requests");
        if (const auto line = text("/queue/scheduler"))
            if (const auto chosen =
                    line->find('[') == line->npos ? std::optional<std::string_view>(*line) : sdk::bracketed(*line))
                out.add("scheduler", *chosen);
        if (const auto most = number("/queue/discard_max_bytes")) out.add("discard", *most > 0);
        if (const auto dax = number("/queue/dax"); dax && *dax <= 1) out.add("dax", *dax == 1);
        if (const auto cache = text("/queue/write_cache")) out.add("write_cache", *cache);
        return out;
    }

private:
    std::optional<std::string> text(const char* name) const {
        return sdk::short_text(root_.read(folder_ + name, 4096));
    }
    std::optional<std::uint64_t> number(const char* name) const {
        return sdk::parse_u64(root_.read(folder_ + name, 64).text);
    }
    void add_number(sdk::record& out, std::string_view member, const char* name) const {
        if (const auto n = number(name)) out.add(member, *n);
    }
    std::string transport(std::string_view kind) const {
        if (kind == "nvme") {
            const auto how = text("/device/transport");
            if (!how) return {};
            return *how == "pcie" ? std::string("nvme") : sdk::concat("nvme-", *how);
        }
        const auto how = block_transport(device_);
        return how == "ata" && serial_ata() ? std::string("sata") : std::string(how);
    }
    /// The path says "ata" of old disks as well; the adapter's driver knows.
    bool serial_ata() const {
        const auto host = scsi_host(device_);
        return !host.empty() &&
               root_.read(sdk::concat("/sys/class/scsi_host/", host, "/proc_name"), 64).trim() == "ahci";
    }
    const sdk::sysroot& root_;
    const std::string& name_;
    std::string folder_, device_;
};

}  // namespace

void read_blocks(const sdk::sysroot& root, sdk::probe_run& run) {
    const sdk::fact_info info{.source = "/sys/block", .volatility = "slow", .ttl_s = 300};
    const auto folder = sdk::folder_state(root, "/sys/block");
    if (!folder) return run.facts().missing("block", folder, info, "");
    const auto found = sdk::scan_devices(
        run, [&] { return root.list("/sys/block"); },
        [&](const std::string& name) { return one_block(root, name).read(); });
    if (!found.stopped) sdk::device_list(run.facts(), "block", found, info);
}

}  // namespace sigrun::storage
