// The cgroup v2 of an attempt, where it has one of its own: whoever is in it is found without looking for parents.
#pragma once

namespace sigrun::shim {

class job_group {
public:
    /// A folder of the cgroup file system, borrowed; -1: there is none, and nothing is in it.
    explicit job_group(int folder) : folder_(folder) {}
    bool present() const noexcept { return folder_ >= 0; }
    int folder() const noexcept { return folder_; }
    /// Whether a process is in it, once the last of them has had a moment to disappear.
    bool populated() const;
    /// KILL to everyone in it, those who are being born included.
    void kill() const;

private:
    bool says_populated(int events) const;
    int folder_;
};

}  // namespace sigrun::shim
