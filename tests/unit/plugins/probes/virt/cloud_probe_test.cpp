// Clouds that answer, that do not, and that answer something else; loopback only.
#include "cloud_probe.hpp"

#include "fixtures/machines/rig.hpp"
#include "metadata_server.hpp"

namespace sigrun::virt {
namespace {

using machines::status_of;
using machines::value_of;
using json = machines::json::value;
using std::chrono::milliseconds;
constexpr const char* k_keys[] = {"cloud.instance_type", "cloud.region", "cloud.zone", "cloud.preemptible"};
constexpr milliseconds k_patient{20'000};

struct firmware_texts {
    const char *vendor, *product, *tag = "";
};
constexpr firmware_texts k_aws{"Amazon EC2", "m7i.large"}, k_gcp{"Google", "Google Compute Engine"},
    k_azure{"Microsoft Corporation", "Virtual Machine", "7783-7084-3265-9085-8269-3286-77"},
    k_hetzner{"Hetzner", "vServer"}, k_openstack{"OpenStack Foundation", "OpenStack Nova"},
    k_oracle{"QEMU", "Standard PC", "OracleCloud.com"}, k_own{"Dell Inc.", "PowerEdge R750"};

machines::fact_map facts_of(const firmware_texts& dmi, std::uint16_t port, milliseconds limit = k_patient,
                            bool ask = true) {
    machines::scratch_tree tree;
    tree.write("sys/class/dmi/id/sys_vendor", std::string(dmi.vendor) + "\n")
        .write("sys/class/dmi/id/product_name", std::string(dmi.product) + "\n")
        .write("sys/class/dmi/id/chassis_asset_tag", std::string(dmi.tag) + "\n");
    const cloud_settings settings{ask, {boost::asio::ip::address_v4::loopback(), port}, limit};
    return machines::facts_below(tree.path(), [&](auto& root, auto& run) { collect_cloud(root, settings, run); });
}
void expect_all(const machines::fact_map& facts, const char* status) {
    for (auto key : k_keys) EXPECT_EQ(status_of(facts, key), status) << key;
}
void expect_values(const machines::fact_map& facts, const json& type, const json& region, const json& zone,
                   const json& preemptible) {
    EXPECT_EQ(value_of(facts, "cloud.instance_type"), type);
    EXPECT_EQ(value_of(facts, "cloud.region"), region);
    EXPECT_EQ(value_of(facts, "cloud.zone"), zone);
    EXPECT_EQ(value_of(facts, "cloud.preemptible"), preemptible);
}

std::map<std::string, metadata_server::answer> aws(const char* life_cycle = "spot") {
    const std::string token = "X-aws-ec2-metadata-token: AQAE-token==";
    return {{"PUT /latest/api/token", {"AQAE-token==", "X-aws-ec2-metadata-token-ttl-seconds: 60"}},
            {"GET /latest/dynamic/instance-identity/document",
             {R"({"accountId":"123456789012","instanceType":"m7i.large","region":"eu-central-1",)"
              R"("availabilityZone":"eu-central-1a","privateIp":"172.31.0.9"})",
              token}},
            {"GET /latest/meta-data/instance-life-cycle", {life_cycle, token}}};
}

TEST(cloud_probe, aws_is_asked_with_a_token_that_comes_first) {
    metadata_server server(aws());
    const auto facts = facts_of(k_aws, server.port());
    expect_values(facts, "m7i.large", "eu-central-1", "eu-central-1a", true);
    EXPECT_EQ(server.asked(),
              (std::vector<std::string>{"PUT /latest/api/token", "GET /latest/dynamic/instance-identity/document",
                                        "GET /latest/meta-data/instance-life-cycle"}));
    EXPECT_EQ(server.connections(), 1u);
    for (const auto& [key, f] : facts)
        EXPECT_EQ(machines::json::serialize(f).find("123456789012"), std::string::npos) << "an account in " << key;
    metadata_server steady(aws("on-demand"));
    EXPECT_EQ(value_of(facts_of(k_aws, steady.port()), "cloud.preemptible"), json(false));
}

TEST(cloud_probe, without_a_token_nothing_else_is_asked) {
    auto answers = aws();
    answers["PUT /latest/api/token"].status = 403;
    metadata_server server(answers);
    const auto facts = facts_of(k_aws, server.port());
    expect_all(facts, "error");
    EXPECT_EQ(facts.at("cloud.region").at("detail"), "/latest/api/token: status 403");
    EXPECT_EQ(server.asked().size(), 1u);
}

TEST(cloud_probe, google_is_asked_for_each_value_and_never_for_a_document_with_keys_in_it) {
    const std::string flavor = "Metadata-Flavor: Google";
    metadata_server server(
        {{"GET /computeMetadata/v1/instance/machine-type", {"projects/42/machineTypes/n2-standard-4", flavor}},
         {"GET /computeMetadata/v1/instance/zone", {"projects/42/zones/europe-west1-b", flavor}},
         {"GET /computeMetadata/v1/instance/scheduling/preemptible", {"FALSE", flavor}}});
    expect_values(facts_of(k_gcp, server.port()), "n2-standard-4", "europe-west1", "europe-west1-b", false);
    for (const auto& line : server.asked()) EXPECT_EQ(line.find("recursive"), line.npos) << line;
}

TEST(cloud_probe, azure_hetzner_openstack_and_oracle_tell_in_their_own_ways) {
    metadata_server azure(
        {{"GET /metadata/instance/compute?api-version=2021-02-01&format=json",
          {R"({"vmSize":"Standard_D4s_v5","location":"westeurope","zone":"2","priority":"Spot"})", "Metadata: true"}}});
    expect_values(facts_of(k_azure, azure.port()), "Standard_D4s_v5", "westeurope", "2", true);

    metadata_server hetzner({{"GET /hetzner/v1/metadata/region", {"eu-central\n", ""}},
                             {"GET /hetzner/v1/metadata/availability-zone", {"fsn1-dc14", ""}}});
    auto facts = facts_of(k_hetzner, hetzner.port());
    expect_values(facts, json(), "eu-central", "fsn1-dc14", json());
    EXPECT_EQ(status_of(facts, "cloud.instance_type"), "absent");

    metadata_server openstack({{"GET /openstack/latest/meta_data.json", {R"({"availability_zone":"nova"})", ""}},
                               {"GET /latest/meta-data/instance-type", {"m1.small", ""}}});
    expect_values(facts_of(k_openstack, openstack.port()), "m1.small", json(), "nova", json());

    metadata_server oracle(
        {{"GET /opc/v2/instance/",
          {R"({"shape":"VM.Standard.E4.Flex","canonicalRegionName":"eu-frankfurt-1","availabilityDomain":"uiZt:EU-FRANKFURT-1-AD-1"})",
           "Authorization: Bearer Oracle"}}});
    expect_values(facts_of(k_oracle, oracle.port()), "VM.Standard.E4.Flex", "eu-frankfurt-1",
                  "uiZt:EU-FRANKFURT-1-AD-1", json());
}

TEST(cloud_probe, a_machine_of_ones_own_asks_nobody) {
    metadata_server server(aws());
    expect_all(facts_of(k_own, server.port()), "absent");
    EXPECT_EQ(server.connections(), 0u);
}

TEST(cloud_probe, the_option_turns_it_off_and_then_it_is_not_known) {
    metadata_server server(aws());
    expect_all(facts_of(k_aws, server.port(), k_patient, false), "denied");
    EXPECT_EQ(server.connections(), 0u);
    expect_all(facts_of(k_aws, 0), "unsupported");
}

TEST(cloud_probe, a_silent_server_costs_no_more_than_the_limit) {
    metadata_server server({}, true);
    const auto begin = std::chrono::steady_clock::now();
    const auto facts = facts_of(k_aws, server.port(), milliseconds(250));
    const auto took = std::chrono::steady_clock::now() - begin;
    expect_all(facts, "timeout");
    EXPECT_GE(took, milliseconds(240));
    EXPECT_LT(took, milliseconds(2000)) << "the machine that runs this test may be busy";
}

TEST(cloud_probe, what_was_told_before_the_silence_stands) {
    auto answers = aws();
    answers.erase("GET /latest/meta-data/instance-life-cycle");
    metadata_server server(answers);
    const auto facts = facts_of(k_aws, server.port());
    EXPECT_EQ(value_of(facts, "cloud.region"), json("eu-central-1"));
    EXPECT_EQ(status_of(facts, "cloud.preemptible"), "error");
    EXPECT_EQ(facts.at("cloud.preemptible").at("detail"), "/latest/meta-data/instance-life-cycle: status 404");
}

TEST(cloud_probe, nobody_at_the_address_and_garbage_are_errors) {
    std::uint16_t port = 0;
    {
        const metadata_server gone({});
        port = gone.port();
    }
    expect_all(facts_of(k_gcp, port), "error");
    for (const char* raw : {"SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
                            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n\x01\x02\x03\x04\x05"}) {
        metadata_server server({}, false, raw);
        expect_all(facts_of(k_gcp, server.port()), "error");
    }
    metadata_server page({{"GET /hetzner/v1/metadata/region", {"<html>Sign in</html>", ""}},
                          {"GET /hetzner/v1/metadata/availability-zone", {std::string(1000, 'a'), ""}}});
    expect_all(facts_of(k_hetzner, page.port()), "error");
}

TEST(cloud_probe, an_address_is_a_number_and_a_port) {
    EXPECT_EQ(metadata_address("169.254.169.254:80").port(), 80);
    EXPECT_EQ(metadata_address("127.0.0.1:8080").address().to_string(), "127.0.0.1");
    for (const char* text : {"", "169.254.169.254", "metadata:80", "1.2.3.4:0", "1.2.3.4:70000", "1.2.3.4:x"})
        EXPECT_THROW(metadata_address(text), sdk::failure) << text;
}

}  // namespace
}  // namespace sigrun::virt
