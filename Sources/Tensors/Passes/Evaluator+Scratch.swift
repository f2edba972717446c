extension Evaluator {
  /// Makes room for a result of `byteCount` bytes that goes on being read.
  package func makeScratch(_ byteCount: Int) throws -> any ByteSource & ByteSink {
    try options.makeScratch(byteCount)
  }
}
