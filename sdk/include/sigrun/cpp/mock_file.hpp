// sigrun/cpp/mock_file.hpp: a built plugin file, in whatever language it was written, for tests with mock_host.
//
//   plugin_file file(argv[1]);
//   mock_host host;
//   auto* instance = host.start(host.create_from(file.entry(), "thing"));
//
// The file stays mapped: what it left on this thread may still point into it.
#pragma once

#include <sigrun/cpp/error.hpp>
#include <sigrun/plugin.h>

#include <dlfcn.h>

#include <string>

namespace sigrun::sdk {

class plugin_file {
public:
    /// Throws failure with what the dynamic loader or the plugin said.
    explicit plugin_file(const std::string& path) {
        const std::string absolute = path.find('/') == std::string::npos ? "./" + path : path;
        void* library = dlopen(absolute.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (!library) throw failure(SIGRUN_E_IO, dlerror());
        void* symbol = dlsym(library, SIGRUN_ENTRY_SYMBOL);
        if (!symbol) throw failure(SIGRUN_E_NOT_FOUND, concat(path, " exports no ", SIGRUN_ENTRY_SYMBOL));
        const sigrun_hello hello{sizeof hello,     SIGRUN_ABI_MAJOR,       SIGRUN_ABI_MINOR, 0,
                                 str("mock_host"), str(SIGRUN_SDK_VERSION)};
        entry_ = reinterpret_cast<const sigrun_entry* (*)(const sigrun_hello*)>(symbol)(&hello);
        if (!entry_) throw failure(SIGRUN_E_UNSUPPORTED, "the plugin refused this ABI version");
    }
    const sigrun_entry& entry() const noexcept { return *entry_; }

private:
    const sigrun_entry* entry_ = nullptr;
};

}  // namespace sigrun::sdk
