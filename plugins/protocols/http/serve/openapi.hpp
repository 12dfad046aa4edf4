// Documents about the API, made from the route table. Pure.
#pragma once

#include <string>

namespace sigrun::http {

std::string openapi_document();  // OpenAPI 3.1
std::string index_document();    // {"name","routes":[{"verb","path","doc"}]}

}  // namespace sigrun::http
