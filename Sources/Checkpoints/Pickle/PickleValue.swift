import Tensors

/// A value on the stack of a pickle. Containers are ranges of arrays of the machine, so that a value is small, may be
/// part of itself, and goes without recursion.
enum PickleValue {
  case none
  case bool(Bool)
  case int(Int)
  case float(Double)
  /// Text, by its range in the pickle.
  case string(start: Int32, count: Int32)
  /// A range of the machine's elements.
  case tuple(start: Int32, count: Int32)
  /// The machine's list of that number.
  case list(Int32)
  /// The machine's dictionary of that number.
  case dictionary(Int32)
  case global(PickleGlobal)
  /// The machine's storage of that number.
  case storage(Int32)
  /// The machine's tensor of that number.
  case tensor(Int32)
}

/// What a state dict refers to by module and name. Nothing of it is executed.
enum PickleGlobal: Hashable {
  case orderedDict
  case rebuildTensor
  case rebuildTensorWithDType
  case rebuildParameter
  case size
  /// `torch.FloatStorage` and its like.
  case storageOf(DType)
  /// `torch.storage.UntypedStorage`.
  case untypedStorage
  /// `torch.float8_e4m3fn` and its like.
  case dtype(DType)

  /// The global of a name; `nil` for all others.
  init?(module: String, name: String) {
    if let known = Self.known["\(module).\(name)"] {
      self = known
    } else if module == "torch", name.hasSuffix("Storage"),
      let dtype = Self.storages[String(name.dropLast("Storage".count))]
    {
      self = .storageOf(dtype)
    } else if module == "torch", let dtype = DType.allCases.first(where: { $0.torchName == name }) {
      self = .dtype(dtype)
    } else {
      return nil
    }
  }

  private static let known: [String: PickleGlobal] = [
    "collections.OrderedDict": .orderedDict,
    "torch._utils._rebuild_tensor_v2": .rebuildTensor,
    "torch._utils._rebuild_tensor_v3": .rebuildTensorWithDType,
    "torch._utils._rebuild_parameter": .rebuildParameter,
    "torch.Size": .size,
    "torch.storage.UntypedStorage": .untypedStorage,
  ]

  private static let storages: [String: DType] = [
    "Float": .f32, "Double": .f64, "Half": .f16, "BFloat16": .bf16, "Long": .i64, "Int": .i32, "Short": .i16,
    "Char": .i8, "Byte": .u8, "Bool": .bool, "ComplexFloat": .c64,
  ]
}

/// A storage that a pickle refers to: an entry of the archive.
struct PickleStorage {
  /// The name of the entry in `data/`.
  let key: String
  /// `nil` for bytes without a type.
  let dtype: DType?
  /// Elements, or bytes without a type.
  let count: Int
}

/// A tensor of a pickle: a view of a storage.
struct PickleTensor {
  let storage: Int
  let dtype: DType
  /// In elements.
  let offset: Int
  let shape: [Int]
  let strides: [Int]
}
