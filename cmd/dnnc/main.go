// Command dnnc compiles quantized neural networks for embedded processors. Its commands
// and flags are in internal/command.
package main

import "github.com/dnnc/dnnc/cmd/dnnc/internal/command"

func main() { command.Main() }
