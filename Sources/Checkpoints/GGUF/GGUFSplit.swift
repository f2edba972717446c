import Basics

/// A model that lies in several GGUF files, `-00001-of-00003.gguf` and so on, of which the first has the metadata.
enum GGUFSplit {
  /// Checks that files are the parts of one model, in order.
  static func check(_ files: [any TensorFile]) throws {
    let files = files.compactMap { $0 as? GGUFFile }
    var expected: Int?
    for (index, file) in files.enumerated() {
      do {
        try check(file, number: index, of: files.count)
        expected = try expected ?? file.values.json("split.tensors.count")?.intValue
      } catch let problem as GGUFProblem {
        throw GGUFError(path: file.path, problem: problem)
      }
    }
    let found = files.reduce(0) { $0 + $1.tensors.count }
    if let expected, expected != found, let first = files.first {
      throw GGUFError(
        path: first.path,
        problem: .wrongSplit("split.tensors.count is \(expected), and the parts have \(found) tensors"))
    }
  }

  private static func check(_ file: GGUFFile, number: Int, of count: Int) throws {
    let (own, total) = try (file.values.json("split.no"), file.values.json("split.count"))
    guard let total = total?.intValue, total > 1 || count > 1 else {
      if count == 1 { return }
      throw GGUFProblem.missingFirstOfSplit("split.count")
    }
    guard total == count, own?.intValue == number else {
      throw GGUFProblem.wrongSplit(
        "this is part \(own?.intValue ?? 0) (from 0) of \(total), where part \(number) of \(count) belongs; "
          + "a split model is opened by its folder or by one of its files, named \(words: name(number, total))"
      )
    }
  }

  private static func name(_ number: Int, _ count: Int) -> String {
    shardFileName(number + 1, of: max(count, 1), prefix: "NAME-", suffix: ".gguf")
  }
}
