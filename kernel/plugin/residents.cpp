#include "kernel/plugin/residents.hpp"

#include <link.h>

#include <mutex>

namespace sigrun {
namespace {

struct kept {
    std::mutex mutex;
    std::vector<std::pair<resident, boost::dll::shared_library>> all;
};
kept& everything() {
    static auto& only = *new kept;  // never destroyed: some of the code may still run
    return only;
}

struct search {
    const std::string& path;
    std::uint64_t bytes = 0;
};

}  // namespace

std::uint64_t mapped_bytes(const std::string& path) {
    search looking{path};
    auto each = [](dl_phdr_info* library, std::size_t, void* ctx) {
        auto& what = *static_cast<search*>(ctx);
        if (!library->dlpi_name || what.path != library->dlpi_name) return 0;
        for (int i = 0; i < library->dlpi_phnum; ++i)
            if (library->dlpi_phdr[i].p_type == PT_LOAD) what.bytes += library->dlpi_phdr[i].p_memsz;
        return 1;
    };
    ::dl_iterate_phdr(each, &looking);
    return looking.bytes;
}

void keep_resident(resident about, boost::dll::shared_library code) {
    auto& kept = everything();
    std::lock_guard lock(kept.mutex);
    kept.all.emplace_back(std::move(about), std::move(code));
}

std::vector<resident> residents_of(std::string_view plugin_id) {
    auto& kept = everything();
    std::lock_guard lock(kept.mutex);
    std::vector<resident> out;
    for (const auto& [about, code] : kept.all)
        if (about.plugin_id == plugin_id) out.push_back(about);
    return out;
}

}  // namespace sigrun
