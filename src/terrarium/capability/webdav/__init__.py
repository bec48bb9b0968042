"""What services of WebDAV have in common: XML, answers, paths, conditions."""
