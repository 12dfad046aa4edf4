// The speed and memory rows of the goals table, with the figure, the goal and whether it is held, beside
// re-implementations of what others do.
#include "bench/select/goals.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>

namespace sigrun::bench {

void report(const std::string& what, const std::vector<double>& figures, const std::vector<double>& goals,
            const char* unit, bool more_is_better) {
    std::printf("%-64s", what.c_str());
    bool held = true;
    for (std::size_t i = 0; i < figures.size(); ++i) {
        std::printf(" %10.*f", figures[i] < 100 ? 1 : 0, figures[i]);
        if (i < goals.size()) held = held && (more_is_better ? figures[i] >= goals[i] : figures[i] <= goals[i]);
    }
    std::printf(" %-4s", unit);
    if (!goals.empty()) {
        std::printf(" %s", more_is_better ? "at least" : "at most");
        for (const double g : goals) std::printf(" %.4g", g);
        std::printf("  %s", held ? "held" : "NOT HELD");
    }
    std::printf("\n");
    std::fflush(stdout);
}

}  // namespace sigrun::bench

namespace {

std::vector<std::string> list_of(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream in(text);
    for (std::string each; std::getline(in, each, ',');) out.push_back(each);
    return out;
}

/// The default of the daemon first: the rows without a name are of that.
std::vector<std::string> built_balancers() {
    std::vector<std::string> out;
    for (const auto& file : std::filesystem::directory_iterator(std::string(SIGRUN_BUILD_DIR) + "/plugins/balancers"))
        if (file.path().extension() == ".so") out.push_back(file.path().stem());
    std::sort(out.begin(), out.end(), [](const std::string& a, const std::string& b) {
        return std::pair(a != "idle_first", a) < std::pair(b != "idle_first", b);
    });
    return out;
}

constexpr const char* k_help =
    "selection_goals [RUNNERS,... [BALANCER,...]]\n"
    "Default: 10000,100000,1000000 and all balancers that are built. The rows without the name of a balancer are of "
    "the\n"
    "first one.\n";

}  // namespace

int main(int argc, char** argv) {
    using namespace sigrun::bench;
    if (argc > 3 || (argc > 1 && argv[1][0] == '-')) {
        std::fputs(k_help, argc == 2 && std::string(argv[1]) == "--help" ? stdout : stderr);
        return argc == 2 && std::string(argv[1]) == "--help" ? 0 : 2;
    }
    goal_options o;
    if (argc > 1) {
        o.runners.clear();
        for (const std::string& n : list_of(argv[1])) {
            const unsigned long value = std::strtoul(n.c_str(), nullptr, 10);
            if (value < 1000 || value > 4'000'000) {
                std::fprintf(stderr, "selection_goals: RUNNERS: expected 1000 to 4000000, found %s\n", n.c_str());
                return 2;
            }
            o.runners.push_back(static_cast<std::uint32_t>(value));
        }
    }
    o.balancers = argc > 2 ? list_of(argv[2]) : built_balancers();
    try {
        std::printf("%-64s", "goal");
        for (const std::uint32_t n : o.runners) std::printf(" %10u", n);
        std::printf("\n");
        report_memory(o);
        report_picks(o);
        report_baselines(o);
        report_changes(o);
        report_sharing(o);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "selection_goals: %s\n", e.what());
        return 1;
    }
}
