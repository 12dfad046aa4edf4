// Which facts there are and of which type each is, so that a declaration of another one is told at once. Pure.
#pragma once

#include <string>
#include <string_view>

namespace sigrun::local {

/// b u i f s v d S, L for a list of records; 0: there is no such fact.
char key_type(std::string_view key) noexcept;
/// The same for a member of the records of `array`: "version" of "lang".
char member_type(std::string_view array, std::string_view member) noexcept;
/// The fact that is probably meant; empty if none is near.
std::string nearest_key(std::string_view key);
/// True for identity, which stays out of what machines have in common.
bool names_one_machine(std::string_view key) noexcept;
/// "a whole number, 0 or more"
std::string_view type_name(char type) noexcept;
/// "custom.*,host.*,...,lang": every group.
std::string key_patterns();

}  // namespace sigrun::local
