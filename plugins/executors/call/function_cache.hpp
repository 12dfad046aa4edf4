// Finds the function that a job document names. Callers that send one document again and again, which is what a busy
// client does, pay one comparison instead of a parse.
#pragma once

#include "functions.hpp"

#include <string>

namespace sigrun::call {

/// Why a document names no function.
struct lookup_error {
    std::string code, message;
    int exit_code;
};

/// [any] The function named by command[0]. Throws lookup_error. Remembers the thread's last document.
const named_function& find_function(std::string_view document);

}  // namespace sigrun::call
