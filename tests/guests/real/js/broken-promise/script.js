// A mistake that people make: nobody awaits the answer's failure.
const readings = [];
fetch("https://sensor.example/reading").then(async (response) => {
  const body = await response.json();
  readings.push(body.celsius.toFixed(1));
  console.log(JSON.stringify(readings));
});
