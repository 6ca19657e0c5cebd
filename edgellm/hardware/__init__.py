"""What this device is: probes of files and commands, put together by `detect.detect(Host())`."""
