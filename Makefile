# dnnc: the two commands of the README are `make demo` and `make test`.

GO ?= go
# Debian packages beyond Go and make: LLVM's opt and llc, a linker, an emulator,
# and for the tests cross compilers and the emulator's boards.
PACKAGES = llvm-19 lld-19 qemu-user
TEST_PACKAGES = gcc gcc-arm-linux-gnueabihf libc6-dev-armhf-cross
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

.PHONY: all test check tools test-tools clean FORCE

all: bin/dnnc

bin/dnnc: FORCE
	$(GO) build -trimpath -o $@ ./cmd/dnnc

FORCE:

tools:
	@.ci/install $(PACKAGES)

test-tools:
	@.ci/install $(PACKAGES) $(TEST_PACKAGES)

# Every test, as .ci/run calls it; the race detector makes whole searches twenty
# times slower, so it sees all but those.
test: test-tools check
	$(GO) test -timeout 20m ./...
	$(GO) test -race -short -timeout 20m ./...

# Formatting, vet, staticcheck and a tidy module.
check:
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "run gofmt -w ." >&2; exit 1; }
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...

clean:
	rm -rf bin
