extension JSON {
  /// The value at a key path; the value itself for the empty path.
  ///
  /// Setting changes or adds the last key, if what leads there are objects; `nil` removes it.
  package subscript(path path: some RandomAccessCollection<String>) -> JSON? {
    get {
      var value = self
      for key in path {
        guard let next = value[key] else { return nil }
        value = next
      }
      return value
    }
    set {
      guard let first = path.first else {
        if let newValue { self = newValue }
        return
      }
      guard case .object(var object) = self else { return }
      if path.count == 1 {
        object[first] = newValue
      } else if var child = object[first] {
        child[path: Array(path.dropFirst())] = newValue
        object[first] = child
      }
      self = .object(object)
    }
  }
}
