// Facts in the words of other systems: a recorded machine against what was checked by hand, and each rule alone.
#include "kernel/capability/export/export.hpp"

#include "kernel/capability/export/nfd.hpp"
#include "kernel/capability/export/reapi.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace sigrun {
namespace {

std::string file(const std::string& name) {
    std::ifstream in(SIGRUN_SOURCE_DIR "/tests/fixtures/documents/" + name);
    std::stringstream text;
    text << in.rdbuf();
    EXPECT_TRUE(in) << name;
    return text.str();
}
capability_document recorded() {
    const auto o = parse_object(file("virtual_machine.json")).value();
    return *capability_document::from_json(*array_or_null(o, "facts")).value();
}
fact fact_of(std::string key, json::value value) {
    fact f;
    f.key = std::move(key);
    f.value = std::move(value);
    f.method = "read";
    return f;
}
using labels = std::map<std::string, std::string>;
/// Without the name space.
labels labels_of(std::vector<fact> facts) {
    labels out;
    for (const auto& [name, value] : nfd_labels(capability_document(std::move(facts)))) {
        EXPECT_TRUE(name.starts_with("feature.node.kubernetes.io/")) << name;
        out[name.substr(27)] = value;
    }
    return out;
}
std::string properties_of(std::vector<fact> facts) {
    std::string out;
    for (const auto& each : reapi_properties(capability_document(std::move(facts)))) {
        out += out.empty() ? "" : " ";
        (out += each.at("name").as_string().c_str()) += "=";
        out += each.at("value").as_string().c_str();
    }
    return out;
}

TEST(nfd, the_labels_of_a_recorded_machine) {
    std::string text;
    for (const auto& [name, value] : nfd_labels(recorded())) text += name + "=" + value + "\n";
    EXPECT_EQ(text, file("virtual_machine.nfd"));
}

TEST(nfd, flags_have_its_names_and_the_usual_ones_no_label) {
    const auto x86 = labels_of(
        {fact_of("host.arch", "x86_64"),
         fact_of("cpu.features", json::array{"aes", "avx512_vnni", "amx_tile", "sse4_2", "pni", "lm", "avx2"})});
    EXPECT_EQ(x86, (labels{{"cpu-cpuid.AESNI", "true"},
                           {"cpu-cpuid.AMXTILE", "true"},
                           {"cpu-cpuid.AVX2", "true"},
                           {"cpu-cpuid.AVX512VNNI", "true"}}));
    EXPECT_EQ(labels_of({fact_of("host.arch", "aarch64"), fact_of("cpu.features", json::array{"asimdhp", "aes"})}),
              (labels{{"cpu-cpuid.AES", "true"}, {"cpu-cpuid.ASIMDHP", "true"}}));
}

TEST(nfd, only_some_classes_of_devices_are_labelled) {
    const auto found = labels_of(
        {fact_of("pci", json::array{json::object{{"class", "0302"}, {"vendor_id", "10de"}, {"device_id", "20b0"}},
                                    json::object{{"class", "0200"}, {"vendor_id", "8086"}, {"sriov_total", 64}},
                                    json::object{{"class", "1200"}, {"vendor_id", "1da3"}, {"sriov_total", 4}}}),
         fact_of("usb", json::array{json::object{{"class", "ff"}, {"vendor_id", "0bda"}, {"device_id", "8153"}},
                                    json::object{{"class", "09"}, {"vendor_id", "1d6b"}, {"device_id", "0002"}}})});
    EXPECT_EQ(found, (labels{{"pci-0302_10de.present", "true"},
                             {"pci-1200_1da3.present", "true"},
                             {"pci-1200_1da3.sriov.capable", "true"},
                             {"network-sriov.capable", "true"},
                             {"usb-ff_0bda_8153.present", "true"}}));
}

TEST(nfd, versions_are_taken_apart) {
    EXPECT_EQ(labels_of({fact_of("kernel.release", "6.1.0-18-amd64"), fact_of("os.id", "debian"),
                         fact_of("os.version", "12.5")}),
              (labels{{"kernel-version.full", "6.1.0-18-amd64"},
                      {"kernel-version.major", "6"},
                      {"kernel-version.minor", "1"},
                      {"kernel-version.revision", "0"},
                      {"system-os_release.ID", "debian"},
                      {"system-os_release.VERSION_ID", "12.5"},
                      {"system-os_release.VERSION_ID.major", "12"},
                      {"system-os_release.VERSION_ID.minor", "5"}}));
    EXPECT_EQ(labels_of({fact_of("os.version", "rolling")}), (labels{{"system-os_release.VERSION_ID", "rolling"}}));
}

TEST(nfd, numa_swap_disks_and_security) {
    EXPECT_EQ(labels_of({fact_of("numa.count", 2), fact_of("memory.swap_bytes", 1), fact_of("sec.selinux", "enforcing"),
                         fact_of("sec.sev", "sev-es"),
                         fact_of("block", json::array{json::object{{"name", "sda"}, {"rotational", false}}}),
                         fact_of("cpu.smt", true), fact_of("cpu.vendor", "GenuineIntel"),
                         fact_of("kernel.config", json::array{"PREEMPT", "BPF"})}),
              (labels{{"memory-numa", "true"},
                      {"memory-swap.enabled", "true"},
                      {"kernel-selinux.enabled", "true"},
                      {"cpu-security.sev.enabled", "true"},
                      {"cpu-security.sev.es.enabled", "true"},
                      {"storage-nonrotationaldisk", "true"},
                      {"cpu-hardware_multithreading", "true"},
                      {"cpu-model.vendor_id", "Intel"},
                      {"kernel-config.PREEMPT", "true"}}));
    EXPECT_TRUE(
        labels_of({fact_of("numa.count", 1), fact_of("memory.swap_bytes", 0), fact_of("sec.sev", "none"),
                   fact_of("sec.selinux", "permissive"), fact_of("block", json::array{json::object{{"name", "vda"}}})})
            .empty())
        << "what is not so, or not known, has no label";
}

TEST(nfd, what_may_be_no_label_or_is_not_known_is_left_out) {
    auto assumed = fact_of("os.id", "debian");
    assumed.method = "assumed";
    fact denied = fact_of("kernel.release", nullptr);
    denied.status = fact_status::denied;
    EXPECT_TRUE(labels_of({assumed, denied, fact_of("cpu.vendor", "Some Vendor"),
                           fact_of("os.version", json::value(std::string(64, '1'))), fact_of("cpu.features", "no list"),
                           fact_of("pci", json::array{1, "x", json::object{{"class", 3}}})})
                    .empty());
}

TEST(nfd, features_have_the_three_shapes) {
    const auto o = nfd_features(recorded());
    EXPECT_TRUE(o.at("flags").at("cpu.cpuid").at("elements").as_object().contains("SSE42"))
        << "no label, but a feature";
    EXPECT_EQ(o.at("attributes").at("kernel.version").at("elements").at("major"), "6");
    EXPECT_EQ(o.at("attributes").at("kernel.config").at("elements").at("BPF"), "y");
    const auto& pci = o.at("instances").at("pci.device").at("elements").as_array();
    EXPECT_EQ(pci.at(0).at("attributes").at("class"), "0600");
    EXPECT_EQ(pci.at(0).at("attributes").at("vendor"), "8086");
}

TEST(reapi, the_properties_of_a_recorded_machine) {
    std::string text;
    for (const auto& each : reapi_properties(recorded()))
        text += std::string(each.at("name").as_string()) + "=" + std::string(each.at("value").as_string()) + "\n";
    EXPECT_EQ(
        text,
        "ISA=x86-64\nISA=x86-avx\nISA=x86-avx-512\nISA=x86-avx2\nISA=x86-sse4.1\nISA=x86-sse4.2\nOSFamily=linux\n");
}

TEST(reapi, architectures_have_the_names_of_the_lexicon) {
    const auto isa = [](const char* arch) { return properties_of({fact_of("host.arch", arch)}); };
    EXPECT_EQ(isa("aarch64"), "ISA=arm-a64 ISA=armv8");
    EXPECT_EQ(isa("armv7l"), "ISA=arm-a32 ISA=armv7");
    EXPECT_EQ(isa("riscv64"), "ISA=rv64g");
    EXPECT_EQ(isa("ppc64le"), "ISA=power-isa-le");
    EXPECT_EQ(isa("vax"), "") << "an architecture it has no word for";
    EXPECT_EQ(properties_of({fact_of("host.arch", "aarch64"), fact_of("cpu.features", json::array{"asimd", "sve"})}),
              "ISA=arm-a64 ISA=arm-neon ISA=arm-sve ISA=armv8");
    EXPECT_EQ(properties_of({fact_of("cpu.features", json::array{"avx2"})}), "")
        << "an extension of nothing says nothing";
}

TEST(exports, an_unknown_format_is_refused_by_name) {
    const auto r = export_facts({}, "xml");
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().field, "format");
    EXPECT_EQ(export_facts({}, "nfd").value().at("labels").as_object().size(), 0u);
    EXPECT_EQ(export_facts({}, "reapi").value().at("properties").as_array().size(), 0u);
}

}  // namespace
}  // namespace sigrun
