// Command millrace is the whole product: it reads flags and the environment, lists the connectors, wires the stages
// and exits. Nothing else in the module does any of these.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() { os.Exit(mainCode()) }

// mainCode runs one command and returns its exit code. The first SIGINT or SIGTERM asks for a clean end, which leaves
// everything resumable; the second one ends the process at once.
func mainCode() int {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	go func() {
		<-ctx.Done()
		cancel() // restores the default behaviour for the second signal
	}()
	a := newApp(os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr, time.Now)
	return a.run(ctx)
}
