package command

import "github.com/dnnc/dnnc/cmd/dnnc/internal/driver"

// What tests see of the package besides its commands.
var (
	Expanded = expanded
	Guarded  = guarded
	ExitCode = exitCode
	AboutAll = aboutAll
	AllFlags = allFlags
)

// Parse reads the arguments of a command.
func Parse(name string, args []string) (driver.Options, []string, error) {
	return find(name).parse(args)
}

// Titles are the commands with what they take.
func Titles() (list []string) {
	for i := range commands {
		list = append(list, commands[i].title())
	}
	return list
}

// Unpack writes the example of dnnc demo.
var Unpack = unpack
