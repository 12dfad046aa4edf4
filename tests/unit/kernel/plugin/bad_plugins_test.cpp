// A bad plugin is rejected with field, expected and found, and the good one beside it works.
#include "kernel/plugin/elf_gate.hpp"
#include "plugin_folder.hpp"

#include <elf.h>
#include <sys/stat.h>

#include <cstring>

namespace sigrun {
namespace {

using namespace testing;

struct bad_case {
    const char* fixture;
    const char* reason;
};
void PrintTo(const bad_case& c, std::ostream* out) { *out << c.fixture; }

class bad_plugin : public ::testing::TestWithParam<bad_case> {};

TEST_P(bad_plugin, is_rejected_with_its_reason_and_the_good_one_works) {
    plugin_folder folder;
    folder.add(GetParam().fixture, "bad");
    folder.add("other");
    metrics numbers;
    plugin_host host(folder.options(), {}, numbers);
    ASSERT_TRUE(host.load_all());
    ASSERT_TRUE(host.start_all());
    auto plugins = host.plugins();
    const plugin_info* bad = info_of(plugins, "bad");
    ASSERT_TRUE(bad);
    EXPECT_FALSE(bad->active);
    EXPECT_NE(bad->reason.find(GetParam().reason), std::string::npos) << bad->reason;
    EXPECT_TRUE(info_of(plugins, "other")->active);
    EXPECT_TRUE(host.find(SIGRUN_KIND_PROBE, "other"));
    EXPECT_FALSE(host.find(SIGRUN_KIND_PROBE, "plain"));
}

INSTANTIATE_TEST_SUITE_P(
    each, bad_plugin,
    ::testing::Values(
        bad_case{"wrong_major", "ABI major of the note: expected 1, found 2"},
        bad_case{"newer_minor", "ABI minor of this host: expected at least 99, found 1"},
        bad_case{"no_note", "note .note.sigrun: expected a Sigrun plugin's note, found none"},
        bad_case{"no_entry", "exported function: expected sigrun_plugin_entry_v1, found none of that name"},
        bad_case{"next_major", "found sigrun_plugin_entry_v2: built for another major"},
        bad_case{"extra_export", "1 more, e.g. another_function"},
        bad_case{"note_mismatch", "entry id: expected \"test.somebody\" as in the note, found \"test.plain\""},
        bad_case{"version_mismatch", "entry version: expected \"9.9.9\" as in the note, found \"1.0.0\""},
        bad_case{"null_entry", "found NULL: the plugin does not serve this major"},
        bad_case{"short_entry", "entry struct_size: expected at least"},
        bad_case{"load_fails", "licence: expected a key, found none"},
        bad_case{"create_fails", "threads: expected fewer, found too many"},
        bad_case{"null_instance", "create: expected an instance, found NULL"},
        bad_case{"no_interface", "a table for its own kind sigrun.probe/1, found NULL"},
        bad_case{"unknown_symbol", "nobody_defines_this_function"}),
    [](const auto& i) { return std::string(i.param.fixture); });

std::string reason_for(plugin_folder& folder) {
    metrics numbers;
    plugin_host host(folder.options(), {}, numbers);
    EXPECT_TRUE(host.load_all());
    EXPECT_EQ(host.plugins().size(), 1u);
    EXPECT_FALSE(host.plugins()[0].active);
    return host.plugins()[0].reason;
}

TEST(bad_file, that_is_not_elf) {
    plugin_folder folder;
    folder.write("text.so", "#!/bin/sh\necho no plugin\n");
    EXPECT_EQ(reason_for(folder), "file: expected an ELF shared library, found something else");
}

TEST(bad_file, that_is_empty) {
    plugin_folder folder;
    folder.write("empty.so", "");
    EXPECT_EQ(reason_for(folder), "file: expected an ELF shared library, found an empty file");
}

TEST(bad_file, that_is_half_copied) {
    plugin_folder folder;
    auto bytes = content_of(fixture_plugin("plain"));
    folder.write("half.so", std::string_view(bytes).substr(0, bytes.size() / 2));
    EXPECT_NE(reason_for(folder).find("found a file of " + std::to_string(bytes.size() / 2) + " bytes"),
              std::string::npos);
}

TEST(bad_file, that_is_a_link_or_a_pipe_or_open_to_everybody) {
    {
        plugin_folder folder;
        fs::create_symlink(fixture_plugin("plain"), folder.plugins() / "link.so");
        EXPECT_EQ(reason_for(folder), "file: expected a regular file, found a symbolic link");
    }
    {
        plugin_folder folder;
        ASSERT_EQ(mkfifo((folder.plugins() / "pipe.so").c_str(), 0600), 0);
        EXPECT_EQ(reason_for(folder), "file: expected a regular file, found another kind of file");
    }
    {
        plugin_folder folder;
        fs::permissions(folder.add("plain"), fs::perms::all);
        EXPECT_EQ(reason_for(folder), "file's mode: expected not writable by everybody, found writable by everybody");
    }
}

TEST(bad_file, that_repeats_a_loaded_id) {
    plugin_folder folder;
    folder.add("plain", "a");
    folder.add("plain_v2", "b");
    metrics numbers;
    plugin_host host(folder.options(), {}, numbers);
    ASSERT_TRUE(host.load_all());
    auto plugins = host.plugins();
    EXPECT_TRUE(info_of(plugins, "a")->active);
    EXPECT_NE(info_of(plugins, "b")->reason.find("expected a plugin that is not loaded yet, found test.plain"),
              std::string::npos);
}

TEST(elf_gate, reads_the_identity_of_a_good_plugin) {
    auto found = inspect_plugin(content_of(fixture_plugin("plain")));
    ASSERT_TRUE(found);
    EXPECT_EQ(found->id, "test.plain");
    EXPECT_EQ(found->version, "1.0.0");
    EXPECT_EQ(found->abi_major, SIGRUN_ABI_MAJOR);
    EXPECT_EQ(found->sdk_version, SIGRUN_SDK_VERSION);
    EXPECT_EQ(found->unique_symbols, 0u);
}

TEST(elf_gate, refuses_every_truncation) {
    const auto bytes = content_of(fixture_plugin("plain"));
    ASSERT_GT(bytes.size(), 4096u);
    for (std::size_t n = 0; n < bytes.size(); n += 512)
        EXPECT_FALSE(inspect_plugin(std::string_view(bytes).substr(0, n))) << n << " of " << bytes.size();
    EXPECT_FALSE(inspect_plugin(std::string_view(bytes).substr(0, bytes.size() - 1)));
}

TEST(elf_gate, survives_every_changed_byte_of_the_headers) {
    const auto bytes = content_of(fixture_plugin("plain"));
    const std::size_t headers = sizeof(Elf64_Ehdr) + 12 * sizeof(Elf64_Phdr);
    int refused = 0;
    for (std::size_t at = 0; at < headers; ++at)
        for (char value : {'\0', '\x7f', '\xff'}) {
            std::string changed = bytes;
            changed[at] = value;
            refused += !inspect_plugin(changed);
        }
    EXPECT_GT(refused, 100);  // and none of them crashed
}

TEST(elf_gate, names_the_wrong_machine_class_and_type) {
    const auto bytes = content_of(fixture_plugin("plain"));
    auto with = [&](auto change) {
        std::string copy = bytes;
        Elf64_Ehdr head;
        std::memcpy(&head, copy.data(), sizeof head);
        change(head);
        std::memcpy(copy.data(), &head, sizeof head);
        return inspect_plugin(copy).error().field;
    };
    EXPECT_EQ(with([](Elf64_Ehdr& h) { h.e_machine = EM_68K; }), "ELF machine");
    EXPECT_EQ(with([](Elf64_Ehdr& h) { h.e_ident[EI_CLASS] = ELFCLASS32; }), "ELF class");
    EXPECT_EQ(with([](Elf64_Ehdr& h) { h.e_type = ET_EXEC; }), "ELF type");
    EXPECT_EQ(with([](Elf64_Ehdr& h) { h.e_phnum = 0; }), "program headers");
    EXPECT_EQ(with([](Elf64_Ehdr& h) { h.e_phoff = ~0ull - 8; }), "program headers");
    EXPECT_EQ(with([](Elf64_Ehdr& h) { h.e_shoff = ~0ull - 8; }), "section headers");
}

/// `bytes` with the first element of this type and tag changed.
template <class Element, class Change>
std::string with_changed(std::string bytes, std::size_t offset, std::size_t n, Change change) {
    for (std::size_t i = 0; i < n; ++i) {
        Element one;
        std::memcpy(&one, bytes.data() + offset + i * sizeof one, sizeof one);
        if (!change(one)) continue;
        std::memcpy(bytes.data() + offset + i * sizeof one, &one, sizeof one);
        return bytes;
    }
    ADD_FAILURE() << "nothing to change";
    return bytes;
}

TEST(elf_gate, refuses_what_says_nothing_of_its_stack) {
    const auto bytes = content_of(fixture_plugin("plain"));
    Elf64_Ehdr head;
    std::memcpy(&head, bytes.data(), sizeof head);
    const auto silent = with_changed<Elf64_Phdr>(bytes, head.e_phoff, head.e_phnum, [](Elf64_Phdr& p) {
        return p.p_type == PT_GNU_STACK && (p.p_type = PT_NULL, true);
    });
    auto found = inspect_plugin(silent);
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().text(),
              "stack: expected not executable (-z noexecstack), found executable, as nothing says otherwise");
}

TEST(elf_gate, refuses_relocations_in_the_code_and_foreign_search_paths) {
    const auto bytes = content_of(fixture_plugin("plain"));
    Elf64_Ehdr head;
    std::memcpy(&head, bytes.data(), sizeof head);
    Elf64_Phdr dynamic{};
    for (std::size_t i = 0; i < head.e_phnum; ++i) {
        Elf64_Phdr p;
        std::memcpy(&p, bytes.data() + head.e_phoff + i * sizeof p, sizeof p);
        if (p.p_type == PT_DYNAMIC) dynamic = p;
    }
    auto with = [&](Elf64_Sxword tag, Elf64_Xword value) {
        const auto changed =
            with_changed<Elf64_Dyn>(bytes, dynamic.p_offset, dynamic.p_filesz / sizeof(Elf64_Dyn), [&](Elf64_Dyn& d) {
                if (d.d_tag != DT_INIT) return false;  // it is not run here
                d.d_tag = tag;
                d.d_un.d_val = value;
                return true;
            });
        auto found = inspect_plugin(changed);
        return found ? std::string("good") : found.error().field;
    };
    EXPECT_EQ(with(DT_TEXTREL, 0), "relocations");
    EXPECT_EQ(with(DT_FLAGS, DF_TEXTREL), "relocations");
    EXPECT_EQ(with(DT_FLAGS, DF_BIND_NOW), "good");
    EXPECT_EQ(with(DT_RUNPATH, 1), "library search path") << "the first name in the table, whatever it is";
    EXPECT_EQ(with(DT_RPATH, 1), "library search path");
    EXPECT_EQ(with(DT_RUNPATH, 0), "good") << "an empty one";
    EXPECT_EQ(with(DT_RUNPATH, ~0ull), "good") << "the loader finds no text there either";
}

}  // namespace
}  // namespace sigrun
