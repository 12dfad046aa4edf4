// What a program's command line can do, as a document: completions and man pages are made from it, so they say what --help says.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace sigrun {

/// JSON of `app` and every command below it:
///   COMMAND {"name","aliases":[],"description","footer","options":[OPTION],"positionals":[OPTION],"commands":[COMMAND],
///            "takes_command":bool}   takes_command: words behind -- are a command of their own
///   OPTION  {"names":["-o","--output"],"name","type","choices":[],"default","description","flag":bool,"many":bool,"required":bool}
/// Options that no help shows are left out. `app` must be complete, and is not changed.
std::string describe_command_line(const CLI::App& app);

/// The first argument that makes a program print that document and end. Not in its help: people read --help.
inline constexpr const char* k_describe_argument = "--describe-command-line";

/// Prints the document if that is asked for.
bool described(const CLI::App& app, int argc, char** argv);

}  // namespace sigrun
