#include "kernel/app/sigrun/job_flags.hpp"

namespace sigrun::cli {

void add_job_flags(CLI::App& app, job_options& job, bool with_words) {
    if (with_words)
        app.add_option("command", job.command, "The command; put -- before it if it has options of its own")
            ->type_name("WORD");
    app.add_option("--requires,--require", job.requires_text, "What the runner must have, e.g. 'label.zone == \"eu\"'")
        ->type_name("EXPR");
    app.add_option("--prefers", job.prefers, "What would be good to have; may be repeated")
        ->type_name("WEIGHT:EXPR")
        ->allow_extra_args(false);
    app.add_option("-e,--env", job.environment, "Environment of the job; may be repeated")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    app.add_option(
           "--secret", job.secrets,
           "Secret of the job's environment, kept out of its output: the value of the variable NAME here, or what "
           "FILE has; may be repeated")
        ->type_name("NAME[=@FILE]")
        ->allow_extra_args(false);
    app.add_option("--artifact", job.artifacts,
                   "Keep these files when the job has ended: a path below its working directory, with * ? [..] and ** "
                   "(any folders); may be repeated")
        ->type_name("PATH")
        ->allow_extra_args(false);
    app.add_option("--workdir", job.workdir, "Folder on the runner to work in (default: a fresh one)")
        ->type_name("DIR");
    app.add_option("--timeout", job.run_timeout, "The job may run this long")->type_name("DURATION");
    app.add_option("--queue-timeout", job.queue_timeout, "The job may wait this long for a runner")
        ->type_name("DURATION");
    app.add_option("--start-timeout", job.start_timeout,
                   "A runner that accepted it may take this long to start it (default: 1m); then another one gets it")
        ->type_name("DURATION");
    app.add_option("--silent-timeout", job.silent_timeout, "It is ended after this long without output")
        ->type_name("DURATION");
    app.add_option("--total-timeout", job.total_timeout,
                   "It is ended this long after its submission, with all waiting and all retries")
        ->type_name("DURATION");
    auto* delay =
        app.add_option("--delay", job.delay, "Not before this long after its submission")->type_name("DURATION");
    app.add_option("--at", job.start_at, "Not before this time, e.g. 2026-01-05T10:00:00Z")
        ->type_name("TIME")
        ->excludes(delay);
    add_limit_flags(app, job);
    add_setting_flags(app, job.setting);
    add_protocol_flags(app, job);
    app.add_option("--balancer", job.balancer, "Balancing algorithm (default: the daemon's)")->type_name("NAME");
    app.add_option("-l,--label", job.labels, "Label of the job; may be repeated")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    app.add_option("--priority", job.priority, "critical, high, normal, low or background");
    app.add_option("--queue", job.queue, "Queue of the job");
    app.add_option("--tenant", job.tenant, "On whose account it runs")->type_name("NAME");
    auto* group =
        app.add_option("--group", job.group, "Only MAX jobs (default 1) of the same group run at once, the others wait")
            ->type_name("NAME[:MAX]");
    app.add_option(
           "--group-policy", job.group_policy,
           "When the group is full: queue (default), cancel_waiting or cancel_running (the newest wins), refuse")
        ->type_name("WORD")
        ->needs(group);
    app.add_option("--affinity", job.affinity, "Jobs with the same text prefer the same runner")->type_name("TEXT");
    app.add_option("--zone", job.zone, "The zone that the job comes from, without: that of the daemon")
        ->type_name("NAME");
    app.add_option("--durability", job.durability, "fsync (default), relaxed or memory");
    app.add_option("--retry", job.user_retries, "Run again this often when the command fails")
        ->check(CLI::Range(0, 1000));
    app.add_option("--infrastructure-retry", job.infrastructure_retries,
                   "Run again this often when a runner or the way to it fails")
        ->check(CLI::Range(0, 1000));
    app.add_option("--retry-memory-factor", job.memory_factor,
                   "After an attempt that ended for lack of memory, the next one gets so many times --memory, e.g. 1.5")
        ->check(CLI::Range(1.0, 8.0));
    app.add_flag("--once", job.once, "Not idempotent: never start it a second time on a guess");
    app.add_flag("--hedge", job.hedge,
                 "If it takes longer than usual, begin it a second time beside the first; who succeeds first counts");
    app.add_flag("--explain", job.explain, "Keep what its picks see, for `sigrun job explain`");
    app.add_option("--kind", job.kind,
                   "process (a command), sandbox (one in bubblewrap), container, or call (a function of the runner)")
        ->capture_default_str();
    app.add_option("--payload", job.payload, "Input of a call; @FILE reads a file")->type_name("TEXT");
}

void add_limit_flags(CLI::App& app, job_options& job) {
    auto add = [&](const char* flag, const char* name, const char* doc, const char* type) {
        app.add_option(flag, job.limits[name], doc)->type_name(type);
    };
    add("--memory", "memory", "The job may use this much memory, e.g. 512MiB", "SIZE");
    add("--cpus", "cpus", "The job may use the time of so many processors, e.g. 1.5", "NUMBER");
    add("--pids", "pids", "The job may have so many processes and threads at once", "NUMBER");
    add("--open-files", "open_files", "Each of its processes may have so many files open", "NUMBER");
    add("--file-size", "file_size", "No file that it writes may become larger", "SIZE");
    add("--core", "core", "Its core dumps may be this large; 0 for none", "SIZE");
    add("--workspace", "workspace", "The files in its workspace may take this much disk", "SIZE");
    add("--enforce-limits", "enforce",
        "best_effort (default): a runner that cannot hold a limit says so; required: it "
        "refuses the job",
        "WORD");
}

void add_setting_flags(CLI::App& app, setting_options& setting) {
    app.add_option("--user", setting.user,
                   "Run as this user of the runner's machine, perhaps with another group, if the runner allows it")
        ->type_name("NAME[:GROUP]");
    app.add_flag("--pty", setting.pty, "The job sees a terminal, of 80 columns and 24 rows");
    app.add_option("--pty-size", setting.pty_size, "The same, of another size, e.g. 120x40")->type_name("COLUMNSxROWS");
    app.add_option(
           "--isolate", setting.isolate,
           "Apart from the machine in: tmp, mounts, processes, network, ipc, files, syscalls, privileges, or all; "
           "may be repeated, also with a value as in the document (network=host)")
        ->type_name("PART,...")
        ->delimiter(',')
        ->allow_extra_args(false);
    app.add_option(
           "--writable", setting.writable,
           "With read-only files: a folder that it may write to all the same, if the runner allows it; may be repeated")
        ->type_name("PATH")
        ->allow_extra_args(false);
    app.add_option("--image", setting.image, "Run in a container of this image, e.g. debian:12 (kind container)")
        ->type_name("NAME");
    app.add_option("--pull", setting.pull, "When to pull it: missing (default), always or never")->type_name("WORD");
    app.add_option("--enforce-isolation", setting.enforce,
                   "required (default): a runner that cannot hold it refuses the job; best_effort: it says so")
        ->type_name("WORD");
}

void add_protocol_flags(CLI::App& app, job_options& job) {
    app.add_option("--protocol", job.protocol, "Only over this protocol to the runner (default: auto)")
        ->type_name("NAME");
    app.add_option("--preferred-protocol", job.preferred_protocol,
                   "Over this protocol unless another one is clearly better (balancer.preferred_protocol_bias)")
        ->type_name("NAME");
    app.add_option("--max-latency", job.max_latency,
                   "Only over a protocol whose measured round trip is not longer, e.g. 20ms; the job waits for one")
        ->type_name("DURATION");
}

void take_command(context& ctx, job_options& job) {
    job.command.insert(job.command.end(), ctx.command_words.begin(), ctx.command_words.end());
}

}  // namespace sigrun::cli
