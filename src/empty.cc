// Stands in for a room that has no sources in this configuration.
