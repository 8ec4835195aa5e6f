"""Settings: what a command line can say, as frozen classes, one a subject; they know no parser and check themselves."""
