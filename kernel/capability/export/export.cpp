#include "kernel/capability/export/export.hpp"

#include "kernel/capability/export/nfd.hpp"
#include "kernel/capability/export/reapi.hpp"

namespace sigrun {

result<json::object> export_facts(const capability_document& facts, std::string_view format) {
    if (format == "nfd") {
        json::object labels;
        for (const auto& [name, value] : nfd_labels(facts)) labels[name] = value;
        return json::object{{"format", "nfd"}, {"labels", std::move(labels)}, {"features", nfd_features(facts)}};
    }
    if (format == "reapi") return json::object{{"format", "reapi"}, {"properties", reapi_properties(facts)}};
    return bad_value("format", "nfd or reapi", "\"" + std::string(format.substr(0, 40)) + "\"");
}

}  // namespace sigrun
