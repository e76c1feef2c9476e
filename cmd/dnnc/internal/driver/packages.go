package driver

import (
	"fmt"
	"path/filepath"

	"github.com/dnnc/dnnc/ir/diag"
	"github.com/dnnc/dnnc/ir/quote"
)

// library is the name of the static library that packages refer to.
func (b *build) library() string {
	return filepath.Base(b.path(output{name: "lib", ending: ".a"}))
}

// cmake is a package for find_package in config mode, beside the library.
func (b *build) cmake() ([]byte, error) {
	library, err := quote.CMake(b.library())
	if err != nil {
		return nil, diag.New(diag.Pos{}, diag.BadOutput, "-emit cmake: %v", err).WithHelp("give -o another name")
	}
	return fmt.Appendf(nil, `# %[1]s, compiled by dnnc for %[2]s: find_package(%[1]s CONFIG PATHS this-folder), then
# target_link_libraries(app PRIVATE dnnc::%[1]s)
if(NOT TARGET dnnc::%[1]s)
  add_library(dnnc::%[1]s STATIC IMPORTED)
  set_target_properties(dnnc::%[1]s PROPERTIES
    IMPORTED_LOCATION "${CMAKE_CURRENT_LIST_DIR}/%[3]s
    INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_CURRENT_LIST_DIR}")
endif()
`, b.prefix, b.r.Target.Name, library[1:]), nil
}

// pkgConfig is a file for pkg-config, beside the library.
func (b *build) pkgConfig() ([]byte, error) {
	name, err := quote.PkgConfig(filepath.Base(b.base()))
	if err != nil {
		return nil, diag.New(diag.Pos{}, diag.BadOutput, "-emit pc: %v", err).WithHelp("give -o another name")
	}
	return fmt.Appendf(nil, `Name: %s
Description: a neural network, compiled by dnnc for %s
Version: %.12s
Cflags: -I${pcfiledir}
Libs: -L${pcfiledir} -l%s
`, b.prefix, b.r.Target.Name, b.cert.Content, name), nil
}
