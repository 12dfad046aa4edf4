// A job as typed messages to the kernel's job document. Pure.
#pragma once

#include "sigrun/v1/jobs.pb.h"

#include <boost/json/object.hpp>

#include <string>
#include <string_view>

namespace sigrun::grpc {

/// What protobuf says by an empty text is said in a document by leaving the key out.
inline void set_text(boost::json::object& o, std::string_view key, const std::string& value) {
    if (!value.empty()) o[key] = value;
}

std::string job_document(const v1::JobSpec& spec);
/// The document of jobs.submit_many.
std::string submission_document(const v1::SubmitManyRequest& request);

}  // namespace sigrun::grpc
