// Facts as platform properties of the Remote Execution API, in the words of its platform lexicon.
#pragma once

#include "kernel/capability/facts.hpp"

namespace sigrun {

/// [{"name","value"}] by name and value: OSFamily, and ISA once for the architecture and for each extension. A property that
/// is not known here is not there.
json::array reapi_properties(const capability_document& facts);

}  // namespace sigrun
