package driver_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/dnnc/dnnc/cmd/dnnc/internal/dnnctest"
	"github.com/dnnc/dnnc/codegen/llvm"
)

// TestCMakePackage links against what -emit cmake and pc wrote.
func TestCMakePackage(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	code, _, stderr := dnnctest.Run(t, "-images", "16", dnnctest.Small(t), "-target", "x86_64", "-emit", "cmake,pc", "-o", filepath.Join(dir, "lenet5.o"))
	require.Zero(t, code, stderr)
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	write("main.c", firmware)
	write("CMakeLists.txt", "cmake_minimum_required(VERSION 3.20)\nproject(x C)\nfind_package(lenet5 CONFIG REQUIRED PATHS ${CMAKE_SOURCE_DIR} NO_DEFAULT_PATH)\nadd_executable(app main.c)\ntarget_link_libraries(app PRIVATE dnnc::lenet5)\n")
	dnnctest.Tool(t, dir, "cmake", "-S", ".", "-B", "build")
	dnnctest.Tool(t, dir, "cmake", "--build", "build")
	answers := dnnctest.Tool(t, dir, "build/app")
	assert.Len(t, strings.Fields(answers), 10)
	flags := strings.Fields(dnnctest.Tool(t, dir, "env", "PKG_CONFIG_PATH="+dir, "pkg-config", "--cflags", "--libs", "lenet5"))
	dnnctest.Tool(t, dir, "gcc", append([]string{"main.c", "-o", "byname"}, flags...)...)
	assert.Equal(t, answers, dnnctest.Tool(t, dir, "./byname"))
}

// TestLibrary links a static library by its name.
func TestLibrary(t *testing.T) {
	if _, err := llvm.Find(""); err != nil {
		t.Skip(err)
	}
	dir := t.TempDir()
	code, _, stderr := dnnctest.Run(t, "-images", "16", dnnctest.Small(t), "-target", "x86_64", "-emit", "obj,lib", "-o", filepath.Join(dir, "lenet5.o"))
	require.Zero(t, code, stderr)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "main.c"), []byte(firmware), 0o644))
	dnnctest.Tool(t, dir, "gcc", "main.c", "lenet5.o", "-o", "direct")
	dnnctest.Tool(t, dir, "gcc", "main.c", "-L.", "-llenet5", "-o", "byname")
	assert.Equal(t, dnnctest.Tool(t, dir, "./direct"), dnnctest.Tool(t, dir, "./byname"))
	listed := dnnctest.Tool(t, dir, "ar", "t", "liblenet5.a")
	assert.Equal(t, "lenet5.o\n", listed)
	dnnctest.Tool(t, dir, "ar", "x", "liblenet5.a", "--output", dir)
	index := dnnctest.Tool(t, dir, "nm", "-s", "liblenet5.a")
	assert.Contains(t, index, "lenet5_run in lenet5.o")
}
