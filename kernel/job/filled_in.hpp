// What a daemon puts into a signed job for an attempt, told so that the runner can take it out again and check what was signed.
//
// Three things are put in: outputs of needs into `env`, more memory into `limits` after an attempt that lacked it, and the trace
// that the job is part of into `env`. For each of them the offer has, as `signature.written`, what the submitter wrote there:
//
//   "written": {"env": {"VERSION": "{needs.build.outputs.version}"}, "memory": "1GiB", "trace": true}
//
// Nothing of it is believed: it must be what was signed, or the signature is not right, and what stands in its place must be what
// it allows. Pure.
#pragma once

#include "kernel/base/json.hpp"
#include "kernel/base/result.hpp"

#include <string>

namespace sigrun {

/// `offered` with the member `written`, where `document` is signed and they differ; else `offered` as it is.
std::string with_written(const std::string& document, std::string offered);

/// The document as it was signed, from one as it was offered. A problem: something is in it that the signed text does not allow.
result<json::object> as_written(const json::object& offered);

}  // namespace sigrun
