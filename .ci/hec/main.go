// The receiver of OpenTelemetry's collector for Splunk's HTTP Event Collector, for tests: writes a line of JSON for each
// event to a file, then answers. Usage: hec PORT FILE [ack]
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/open-telemetry/opentelemetry-collector-contrib/extension/ackextension"
	"github.com/open-telemetry/opentelemetry-collector-contrib/receiver/splunkhecreceiver"
	"go.opentelemetry.io/collector/component"
	"go.opentelemetry.io/collector/component/componenttest"
	"go.opentelemetry.io/collector/confmap"
	"go.opentelemetry.io/collector/consumer"
	"go.opentelemetry.io/collector/extension"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/receiver"
)

type line struct {
	Time       int64          `json:"time"`
	Resource   map[string]any `json:"resource"`
	Body       any            `json:"body"`
	Attributes map[string]any `json:"attributes"`
}

type host struct{ extensions map[component.ID]component.Component }

func (h host) GetExtensions() map[component.ID]component.Component { return h.extensions }

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
						Time:       int64(record.Timestamp()),
						Resource:   resource.Resource().Attributes().AsRaw(),
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

	ctx := context.Background()
	given := map[string]any{"endpoint": "127.0.0.1:" + port}
	extensions := map[component.ID]component.Component{}
	if len(os.Args) > 3 {
		factory := ackextension.NewFactory()
		id := component.NewID(factory.Type())
		acknowledging, err := factory.Create(ctx, extension.Settings{
			ID:                id,
			TelemetrySettings: componenttest.NewNopTelemetrySettings(),
			BuildInfo:         component.NewDefaultBuildInfo(),
		}, factory.CreateDefaultConfig())
		check(err)
		check(acknowledging.Start(ctx, componenttest.NewNopHost()))
		extensions[id] = acknowledging
		given["ack"] = map[string]any{"extension": id.String()}
	}
	factory := splunkhecreceiver.NewFactory()
	config := factory.CreateDefaultConfig()
	check(confmap.NewFromStringMap(given).Unmarshal(config))
	instance, err := factory.CreateLogs(ctx, receiver.Settings{
		ID:                component.NewID(factory.Type()),
		TelemetrySettings: componenttest.NewNopTelemetrySettings(),
		BuildInfo:         component.NewDefaultBuildInfo(),
	}, config, logs)
	check(err)
	check(instance.Start(ctx, host{extensions}))
	println("ready")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	check(instance.Shutdown(ctx))
}
