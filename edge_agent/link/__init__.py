"""The way to the cloud: channel, retry, window, stream, translation of its errors, check of its receipts."""
