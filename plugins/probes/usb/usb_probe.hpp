// USB devices as the kernel lists them. Names only where the device says them itself: no list of ids is read.
#pragma once

#include <sigrun/cpp/probe.hpp>

#include <functional>

namespace sigrun::usb {

/// Facts usb.count and usb. A device that goes while it is read is left out; when the list of devices has changed meanwhile,
/// all is read again, at most twice. `between` is called after the devices were read and before the list is looked at again.
void collect(const sdk::sysroot& root, sdk::fact_writer& facts, const std::function<void()>& between = {});

}  // namespace sigrun::usb
