// The documents of the API as JSON Schemas (draft 2020-12), by name. The kernel makes and judges the documents; this only describes
// them, and tests hold the answers of a running daemon against it. Pure, static data.
#pragma once

#include <string_view>

namespace sigrun::http {

/// A JSON object: name -> schema, as OpenAPI wants it under components.schemas.
extern const std::string_view k_openapi_schemas;

/// Which of them a method takes as its document, and answers with; empty: none, or any object.
struct method_documents {
    std::string_view method, takes, gives;
};
method_documents documents_of(std::string_view method) noexcept;

}  // namespace sigrun::http
