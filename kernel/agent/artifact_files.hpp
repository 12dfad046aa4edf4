// The files of an ended job that are to be kept: found in a folder that others have written to, and read.
//
// No symbolic link is followed and nothing but plain files is opened, at no depth: a job must not have its runner, which may be
// allowed more, read files for it. Blocking; for one thread at a time.
#pragma once

#include "kernel/guard/private_file.hpp"
#include "kernel/job/artifact.hpp"
#include "kernel/plugin/buffer.hpp"

#include <string>
#include <vector>

namespace sigrun {

struct artifact_findings {
    artifact_list all;               // by name
    std::vector<std::string> paths;  // of them, below the folder
    std::vector<std::string> amiss;  // what is not as it was wished, in words
};

/// `workdir`: of the job's document; one that is relative is where the wishes begin, below `workspace`. Reads every file once.
artifact_findings find_artifacts(const std::string& workspace, const std::string& workdir,
                                 const std::vector<artifact_wish>& wishes);

/// Their bytes, as one sequence.
class artifact_reader {
public:
    artifact_reader(std::string workspace, const std::string& workdir, const artifact_findings& found);
    /// The bytes at `position`, at most `most` and of one file alone. A problem if the file has become another one.
    result<buffer_ref> read(std::uint64_t position, std::size_t most);

private:
    struct file {
        std::string path;
        std::uint64_t begin, end;
    };
    const std::string workspace_, workdir_;
    std::vector<file> files_;
    std::size_t open_ = ~std::size_t{0};
    owned_fd fd_;
};

}  // namespace sigrun
