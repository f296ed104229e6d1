// Answers requests with a SavedModel as TF Serving does: no Python, and XLA switched off.
//
// usage: loader MODEL REQUESTS xla|no-xla
//
// REQUESTS holds a folder <signature>@<number> per request, with a serialised TensorProto <name>.in
// for each input. The outputs are written beside them as <name>.out, what became of it as status.
#include <string>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/framework/tensor.pb.h"
#include "tensorflow/core/platform/env.h"
#include "tensorflow/core/public/session.h"

namespace tensorflow {
void DisableXlaCompilation();  // what TF Serving calls when it starts
}

using tensorflow::Env;
using tensorflow::Tensor;
using tensorflow::TensorProto;

void Answer(const tensorflow::SavedModelBundle& model, const std::string& folder,
            const tensorflow::SignatureDef& signature) {
  std::vector<std::pair<std::string, Tensor>> inputs;
  for (const auto& [name, info] : signature.inputs()) {
    TensorProto proto;
    TF_CHECK_OK(ReadBinaryProto(Env::Default(), folder + "/" + name + ".in", &proto));
    inputs.emplace_back(info.name(), Tensor());
    CHECK(inputs.back().second.FromProto(proto)) << name;
  }
  std::vector<std::string> names, tensors;
  for (const auto& [name, info] : signature.outputs()) {
    names.push_back(name);
    tensors.push_back(info.name());
  }
  std::vector<Tensor> outputs;
  const auto status = model.session->Run(inputs, tensors, {}, &outputs);
  TF_CHECK_OK(WriteStringToFile(Env::Default(), folder + "/status", status.ToString()));
  for (size_t i = 0; i < outputs.size(); ++i) {
    TensorProto proto;
    outputs[i].AsProtoField(&proto);
    TF_CHECK_OK(WriteBinaryProto(Env::Default(), folder + "/" + names[i] + ".out", proto));
  }
}

int main(int argc, char** argv) {
  if (std::string(argv[3]) == "no-xla") tensorflow::DisableXlaCompilation();
  tensorflow::SavedModelBundle model;
  TF_CHECK_OK(tensorflow::LoadSavedModel({}, {}, argv[1], {"serve"}, &model));
  std::vector<std::string> requests;
  TF_CHECK_OK(Env::Default()->GetChildren(argv[2], &requests));
  for (const auto& name : requests) {
    const auto& signature = model.GetSignatures().at(name.substr(0, name.find('@')));
    Answer(model, std::string(argv[2]) + "/" + name, signature);
  }
}
