#include "rdma_probe.hpp"

#include <sigrun/cpp/procfs.hpp>

namespace sigrun::rdma {
namespace {

const std::string k_folder = "/sys/class/infiniband";
constexpr std::size_t k_max_ports = 256;  // of one device

sdk::record read_port(const sdk::sysroot& root, const std::string& device, const std::string& path) {
    const std::string folder = k_folder + "/" + path;
    sdk::record out;
    out.add("device", device);
    if (const auto layer = sdk::short_text(root.read(folder + "/link_layer", 64))) out.add("link_layer", *layer);
    if (const auto rate = parse_rate(root.read(folder + "/rate", 128).text)) out.add("rate_bps", *rate);
    if (const auto state = parse_state(root.read(folder + "/state", 64).text)) out.add("state", *state);
    if (const auto firmware = sdk::short_text(root.read(k_folder + "/" + device + "/fw_ver", 128)))
        out.add("firmware", *firmware);
    return out;
}

}  // namespace

std::optional<std::uint64_t> parse_rate(std::string_view text) noexcept {
    const auto number = sdk::next_word(text);
    double gbps = 0;
    const auto [end, ec] = std::from_chars(number.data(), number.data() + number.size(), gbps);
    if (number.empty() || ec != std::errc{} || end != number.data() + number.size()) return std::nullopt;
    if (sdk::next_word(text) != "Gb/sec" || !(gbps > 0 && gbps <= 100'000)) return std::nullopt;
    return static_cast<std::uint64_t>(std::llround(gbps * 1e9));
}

std::optional<std::string> parse_state(std::string_view text) {
    text = sdk::trimmed(text);
    const auto colon = text.find(": ");
    if (colon == text.npos || !sdk::parse_u64(text.substr(0, colon))) return std::nullopt;
    std::string word(sdk::trimmed(text.substr(colon + 2)));
    for (char& c : word) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        if (!((c >= 'a' && c <= 'z') || c == '_')) return std::nullopt;
    }
    return word.empty() || word.size() > 32 ? std::nullopt : std::optional(word);
}

void collect(const sdk::sysroot& root, sdk::probe_run& run) {
    const sdk::fact_info info{.source = k_folder, .volatility = "slow", .ttl_s = 60};
    const auto folder = sdk::folder_state(root, k_folder);
    if (!folder) return run.facts().missing("rdma", folder, info, "");
    const auto ports = [&] {
        std::vector<std::string> out;
        for (const auto& device : root.list(k_folder)) {
            auto numbers = root.list(k_folder + "/" + device + "/ports");
            numbers.resize(std::min(numbers.size(), k_max_ports));
            for (const auto& number : numbers) out.push_back(device + "/ports/" + number);
        }
        return out;
    };
    const auto read = [&](const std::string& path) -> std::optional<sdk::record> {
        if (root.probe(k_folder + "/" + path) != sdk::read_status::ok) return std::nullopt;
        return read_port(root, path.substr(0, path.find('/')), path);
    };
    const auto found = sdk::scan_devices(run, ports, read);
    if (!found.stopped) sdk::device_list(run.facts(), "rdma", found, info);
}

}  // namespace sigrun::rdma
