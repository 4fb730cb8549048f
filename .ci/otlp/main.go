// The OTLP receiver of OpenTelemetry's collector, for tests: writes a line of JSON for each log record to a file, then
// answers. Usage: otlp PORT FILE
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
	"go.opentelemetry.io/collector/receiver/otlpreceiver"
)

type line struct {
	Resource   map[string]any `json:"resource"`
	Scope      string         `json:"scope"`
	Time       int64          `json:"time"`
	Observed   int64          `json:"observed"`
	Severity   int32          `json:"severity"`
	Event      string         `json:"event"`
	Body       any            `json:"body"`
	Attributes map[string]any `json:"attributes"`
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	port, path := os.Args[1], os.Args[2]
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	check(err)
	var mutex sync.Mutex
	logs, err := consumer.NewLogs(func(_ context.Context, given plog.Logs) error {
		mutex.Lock()
		defer mutex.Unlock()
		out := bufio.NewWriter(file)
		encoder := json.NewEncoder(out)
		for _, resource := range given.ResourceLogs().All() {
			for _, scope := range resource.ScopeLogs().All() {
				for _, record := range scope.LogRecords().All() {
					err := encoder.Encode(line{
						Resource:   resource.Resource().Attributes().AsRaw(),
						Scope:      scope.Scope().Name(),
						Time:       int64(record.Timestamp()),
						Observed:   int64(record.ObservedTimestamp()),
						Severity:   int32(record.SeverityNumber()),
						Event:      record.EventName(),
						Body:       record.Body().AsRaw(),
						Attributes: record.Attributes().AsRaw(),
					})
					if err != nil {
						return err
					}
				}
			}
		}
		return out.Flush()
	})
	check(err)

	factory := otlpreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	check(confmap.NewFromStringMap(map[string]any{
		"protocols": map[string]any{"http": map[string]any{"endpoint": "127.0.0.1:" + port}},
	}).Unmarshal(config))
	settings := receiver.Settings{
		ID:                component.NewID(factory.Type()),
		TelemetrySettings: componenttest.NewNopTelemetrySettings(),
		BuildInfo:         component.NewDefaultBuildInfo(),
	}
	instance, err := factory.CreateLogs(context.Background(), settings, config, logs)
	check(err)
	check(instance.Start(context.Background(), componenttest.NewNopHost()))
	println("ready")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	check(instance.Shutdown(context.Background()))
}
