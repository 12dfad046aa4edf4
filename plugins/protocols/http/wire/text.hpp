// The SDK's texts and codecs under this plugin's names.
#pragma once

#include <sigrun/cpp/base64.hpp>
#include <sigrun/cpp/duration.hpp>
#include <sigrun/cpp/json_text.hpp>
#include <sigrun/cpp/mismatch.hpp>
#include <sigrun/cpp/request_context.hpp>
#include <sigrun/cpp/utf8.hpp>

namespace sigrun::http {

using sdk::append_json_string;
using sdk::from_base64;
using sdk::is_utf8;
using sdk::json_members;
using sdk::json_string;
using sdk::mismatch;
using sdk::one_line;
using sdk::parse_duration;
using sdk::problem_with_request_id;
using sdk::shown;
using sdk::to_base64;
using sdk::unfinished_tail;
using sdk::with_valid_utf8;

}  // namespace sigrun::http
