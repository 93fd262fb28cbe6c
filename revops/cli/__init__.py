"""What a person or crontab types. Parses options, calls `cycle`, renders what comes back; knows no adapter."""
