// How Node Feature Discovery calls things, and what it labels by default (docs/usage/features.md and
// docs/reference/worker-configuration-reference.md of kubernetes-sigs/node-feature-discovery).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sigrun {

using pairs_of_words = std::vector<std::pair<std::string_view, std::string_view>>;

/// "avx512_vnni" of x86_64 -> "AVX512VNNI"; empty: it has no word for it.
std::string nfd_cpu_flag(std::string_view arch, std::string_view feature);
/// "AuthenticAMD" -> "AMD"
std::string nfd_cpu_vendor(std::string_view vendor);
/// Nearly every processor has it, so it is a feature without a label.
bool nfd_unlabelled_flag(std::string_view flag);
/// Display controllers, co-processors and accelerators.
bool nfd_labelled_pci(std::string_view device_class);
/// Video, miscellaneous, application and vendor specific.
bool nfd_labelled_usb(std::string_view device_class);

}  // namespace sigrun
