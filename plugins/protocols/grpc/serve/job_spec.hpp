// A job as typed messages to the kernel's job document. Pure.
#pragma once

#include "sigrun/v1/jobs.pb.h"

#include <string>

namespace sigrun::grpc {

std::string job_document(const v1::JobSpec& spec);

}  // namespace sigrun::grpc
