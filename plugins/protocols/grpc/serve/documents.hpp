// The kernel's answers as typed messages; what has no field of its own is in `json`. Pure.
#pragma once

#include "sigrun/v1/events.pb.h"
#include "sigrun/v1/jobs.pb.h"
#include "sigrun/v1/runners.pb.h"

#include <string_view>

namespace sigrun::grpc {

v1::Job job_of(std::string_view json);
v1::ListJobsResponse jobs_of(std::string_view json);
v1::SubmitManyResponse submitted_of(std::string_view json);
v1::Runner runner_of(std::string_view json);
v1::ListRunnersResponse runners_of(std::string_view json);
v1::Event event_of(std::string_view json);
v1::Explanation explanation_of(std::string_view json);
v1::ListArtifactsResponse artifacts_of(std::string_view json);
/// Without the data, as the next.
v1::ArtifactPiece artifact_piece_of(std::string_view json);
v1::LogPiece log_piece_of(std::string_view json);

}  // namespace sigrun::grpc
