// The storage probe's view of a mount table: what must hold for any of them.
#include "mount_table.hpp"

#include <cstdlib>

namespace {

void must(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sigrun;
    sdk::file_text file;
    file.status = sdk::read_status::ok;
    file.text.assign(reinterpret_cast<const char*>(data), size);
    const storage::mount_table table(file);
    if (table.all().size() > 100) return 0;  // every mount is looked for among all
    for (const auto& mount : table.all()) {
        const auto way = table.way_to(mount.mount_point);
        must(way.size() <= table.all().size());
        for (const auto* m : way) must(mount.mount_point.starts_with(m->mount_point) || m->mount_point == "/");
        const auto kind = table.waits_for(mount.mount_point);
        must(kind != storage::mount_kind::local || storage::kind_of(way.back()->type) == kind);
    }
    return 0;
}
