// A recording of picks: what one thread asked one deterministic balancer, and what that answered.
//
//   magic, u32 n, n bytes of JSON: who it was (header)
//   then records, each a byte and:
//     'S' u64 epoch, u32 slots, u32 pages, u32 cohorts, u32 zones    the shape of the view from here on
//     'W' u32 n, n times: u16 section, u32 index, u64 value    words that differ from before
//     'P' sigrun_req, sigrun_pick    a question to the view as it is here, and the answer
//     'D' sigrun_done                feedback
//     'E' u32 picks                  the end; without it the recording was cut off
// Numbers are little-endian, structs as sigrun/balancer.h lays them out.
#pragma once

#include "kernel/base/result.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace sigrun::picks {

constexpr std::string_view k_magic = "sigrun picks 1\n";
constexpr char k_shape = 'S', k_words = 'W', k_pick = 'P', k_done = 'D', k_end = 'E';
constexpr std::size_t k_word_bytes = 2 + 4 + 8;

struct header {
    std::string balancer, plugin, component;
    std::map<std::string, std::string> options;  // of the instance, as written or default
    std::uint32_t thread = 0;                    // the number its thread state was made with
    bool levels = false;
};

std::string write_header(const header& h);
/// Takes the header from the front of `bytes`.
result<header> read_header(std::string_view& bytes);

}  // namespace sigrun::picks
