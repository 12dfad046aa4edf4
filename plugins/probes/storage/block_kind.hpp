// What sort of device a block device is, by its name and where it hangs.
#pragma once

#include <string>
#include <string_view>

namespace sigrun::storage {

struct block_place {
    std::string_view name;    // "sda"
    std::string_view device;  // where its link leads: "../devices/pci0000:00/.../block/sda"
    std::string_view vendor, model;
};

/// loop, ram, zram, mapped, raid, network, optical, floppy, mmc, nvme, pmem, virtual, usb; empty: a disk, and whether it
/// rotates decides.
std::string_view block_kind(const block_place& place) noexcept;
/// usb, sas, fc, iscsi, ata, virtio, xen, vmbus, mmc; empty if the path does not tell.
std::string_view block_transport(std::string_view device) noexcept;
/// "host2" of the path, for what its adapter says; empty without one.
std::string_view scsi_host(std::string_view device) noexcept;

}  // namespace sigrun::storage
