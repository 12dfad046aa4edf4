// Package databases as their managers write them.
#include "packages.hpp"

#include "fixtures/machines/rig.hpp"

namespace sigrun::software {
namespace {

TEST(upstream_version, leaves_out_what_the_distribution_added) {
    for (const auto& [package, upstream] :
         std::vector<std::pair<const char*, const char*>>{{"1:2.39.5-0+deb12u2", "2.39.5"},
                                                          {"12.2.0-14+deb12u1", "12.2.0"},
                                                          {"20.10.24+dfsg1-1+deb12u1", "20.10.24"},
                                                          {"17.0.15+6-1~deb12u1", "17.0.15"},
                                                          {"1:9.2p1-2+deb12u6", "9.2p1"},
                                                          {"4.8+really4.7.5-1", "4.7.5"},
                                                          {"1.22~rc1-1", "1.22-rc1"},
                                                          {"4.15~deb12u1", "4.15"},
                                                          {"2.43.0-r0", "2.43.0"},
                                                          {"3", "3"},
                                                          {"", ""},
                                                          {"unknown", ""},
                                                          {":-+", ""},
                                                          {"1.0 beta", ""}})
        EXPECT_EQ(upstream_version(package), upstream) << package;
}

constexpr std::string_view k_status =
    "Package: git\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2.39.5-0+deb12u2\n"
    "Description: fast\n Version: 9 of the text\n\n"
    "Package: gone\nStatus: deinstall ok config-files\nVersion: 1-1\n\n"
    "Package: half\nStatus: install ok half-installed\nVersion: 1-1\n\n"
    "Package: nameless version\nStatus: install ok installed\n\n"
    "Package: tar\nStatus: hold ok installed\nArchitecture: amd64\nVersion: 1.34+dfsg-1.2\n";

TEST(dpkg_status, holds_installed_packages_only) {
    const auto found = parse_dpkg_status(k_status);
    ASSERT_EQ(found.size(), 2u);
    EXPECT_EQ(found[0].name, "git");
    EXPECT_EQ(found[0].version, "1:2.39.5-0+deb12u2");
    EXPECT_EQ(found[1].name, "tar");
    EXPECT_EQ(found[1].architecture, "amd64");
    for (std::size_t n = 0; n <= k_status.size(); ++n) EXPECT_LE(parse_dpkg_status(k_status.substr(0, n)).size(), 2u);
    EXPECT_TRUE(parse_dpkg_status(std::string("Package:\0\nStatus: x installed\nVersion:\n\n\n", 40)).empty());
    EXPECT_TRUE(parse_dpkg_status("Package: " + std::string(300, 'x') + "\nStatus: a installed\nVersion: 1\n").empty());
}

TEST(package_database, believes_a_package_only_for_the_files_it_ships) {
    machines::scratch_tree tree;
    tree.write("var/lib/dpkg/status", k_status)
        .write("var/lib/dpkg/info/git.list", "/.\n/usr\n/usr/bin\n/usr/bin/git\n")
        .write("var/lib/dpkg/info/tar.list", "/.\n/bin\n/bin/tar\n");
    const sdk::sysroot root(tree.path());
    const auto db = package_database::read(root);
    EXPECT_EQ(db.manager(), "dpkg");
    EXPECT_EQ(db.packages().size(), 2u);
    EXPECT_EQ(db.version_of(root, "/usr/bin/git", {"git"}), "2.39.5");
    EXPECT_EQ(db.version_of(root, "/usr/bin/git", {"no", "g*t"}), "2.39.5");
    EXPECT_EQ(db.version_of(root, "/usr/bin/tar", {"tar"}), "1.34") << "/bin is a link to usr/bin";
    EXPECT_EQ(db.version_of(root, "/usr/local/bin/git", {"git"}), std::nullopt);
    EXPECT_EQ(db.version_of(root, "/usr/bin/git", {"gone", "tar"}), std::nullopt);
}

TEST(package_database, reads_what_apk_writes) {
    machines::scratch_tree tree;
    tree.write("lib/apk/db/installed",
               "C:Q1=\nP:git\nV:2.43.0-r0\nA:x86_64\nF:usr\nF:usr/bin\nR:git\nZ:Q1=\nF:usr/share\nR:tar\n\n"
               "P:busybox\nV:1.36.1-r15\nF:bin\nR:busybox\n\nP:\nV:1\n\n");
    const sdk::sysroot root(tree.path());
    const auto db = package_database::read(root);
    EXPECT_EQ(db.manager(), "apk");
    EXPECT_EQ(db.packages().size(), 2u);
    EXPECT_EQ(db.version_of(root, "/usr/bin/git", {}), "2.43.0");
    EXPECT_EQ(db.version_of(root, "/usr/share/tar", {"git"}), std::nullopt);
    EXPECT_EQ(db.version_of(root, "/usr/bin/busybox", {}), "1.36.1");
}

TEST(package_database, reads_the_folders_of_pacman) {
    machines::scratch_tree tree;
    tree.write("var/lib/pacman/local/git-2.43.0-1/files", "%FILES%\nusr/\nusr/bin/\nusr/bin/git\n")
        .write("var/lib/pacman/local/gcc-libs-13.2.1-3/files", "%FILES%\n")
        .write("var/lib/pacman/local/ALPM_DB_VERSION", "9\n");
    const sdk::sysroot root(tree.path());
    const auto db = package_database::read(root);
    EXPECT_EQ(db.manager(), "pacman");
    EXPECT_EQ(db.packages().size(), 2u);
    EXPECT_EQ(db.version_of(root, "/usr/bin/git", {"git"}), "2.43.0");
    for (const char* wrong : {"", "-", "--", "a", "a-1", "-1-1", "a--1", "a-1-"})
        EXPECT_FALSE(parse_pacman_folder(wrong)) << wrong;
}

TEST(package_database, names_rpm_without_reading_it) {
    machines::scratch_tree tree;
    tree.write("var/lib/rpm/rpmdb.sqlite", "SQLite format 3");
    const auto db = package_database::read(sdk::sysroot(tree.path()));
    EXPECT_EQ(db.manager(), "rpm");
    EXPECT_FALSE(db.listed());
}

TEST(package_database, its_hash_follows_names_and_versions) {
    const auto hash_of = [](std::string_view status) {
        machines::scratch_tree tree;
        tree.write("var/lib/dpkg/status", status);
        return package_database::read(sdk::sysroot(tree.path())).hash();
    };
    std::string newer(k_status);
    newer.replace(newer.find("1.34"), 4, "1.35");
    EXPECT_EQ(hash_of(k_status), hash_of(std::string(k_status) + "\n"));
    EXPECT_NE(hash_of(k_status), hash_of(newer));
}

}  // namespace
}  // namespace sigrun::software
