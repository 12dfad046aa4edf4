// What callers may do. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace sigrun {

enum class role : std::uint8_t {
    reader,          // sees jobs, runners, events and numbers
    submitter,       // the same, and submits and cancels jobs
    runner,          // registers itself, and measures its way here
    admin,           // everything
    fleet_operator,  // "operator": as a submitter, and runs the fleet: adds, drains and looks into runners, records picks
};
std::string_view to_string(role r) noexcept;
std::optional<role> parse_role(std::string_view text) noexcept;

/// What a method needs; a method nobody has thought of needs an admin.
enum class permission : std::uint8_t { nothing, read, submit, join, measure, operate, administer };
std::string_view to_string(permission p) noexcept;
permission needed_for(std::string_view method) noexcept;
bool allows(role r, permission p) noexcept;
/// Who may, for a refusal: "role submitter, operator or admin".
std::string_view who_may(permission p) noexcept;
/// All names, for an error: "reader, submitter, runner, operator or admin".
constexpr std::string_view k_role_names = "reader, submitter, runner, operator or admin";

/// `pattern` with "*" for any number of characters.
bool matches_glob(std::string_view pattern, std::string_view text) noexcept;

}  // namespace sigrun
